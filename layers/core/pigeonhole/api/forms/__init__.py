"""Bodies of multipart/form-data: a file or several, and the JSON that describes them."""
