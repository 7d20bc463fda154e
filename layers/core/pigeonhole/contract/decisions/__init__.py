"""The requests and answers of `POST /v1/decisions` and `POST /v1/systemone`, which the clients of OpenAI and TypeSafe speak."""
