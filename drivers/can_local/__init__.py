"""A python-can bus over local sockets that cannot leave the host."""
