"""Pages for people: server-rendered, same-origin, no inline script; what they show, the API decides."""
