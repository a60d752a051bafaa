"""Notices: what Ketbase tells people by mail or in a chat; kept until it is delivered."""
