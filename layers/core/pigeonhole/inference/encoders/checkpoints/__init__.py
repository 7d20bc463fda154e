"""Open a model in torch, from the files of its authors. Only `prepare` and the tests need this folder and torch."""
