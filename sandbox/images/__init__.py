"""The hospital's pictures: demo studies, a folder of X-rays turned into patients, and uploads."""
