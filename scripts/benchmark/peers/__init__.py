"""One file a toolkit, each with the functions of :class:`peer.Peer`."""
