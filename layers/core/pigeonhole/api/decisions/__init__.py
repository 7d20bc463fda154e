"""`POST /v1/decisions` and `POST /v1/systemone`: they translate to questions of this service and back."""
