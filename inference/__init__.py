"""From image files to a prediction with a heat map; knows neither Flask nor FHIR.

`images.read_image` -> `registry.load_model(...).read` -> `rendering`; `prevalence.posterior` moves
a probability to the prevalence of another place. A new model is a new folder under `models` (its
contract is in that package's docstring); a new runtime is a new file under `runtimes`. Importing
any of this loads no runtime.
"""
