"""HTTP/JSON: one router per noun, and the edge they stand behind."""
