"""The model cards as pages: what each installed model can and cannot do."""
