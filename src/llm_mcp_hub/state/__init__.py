"""Where the hub keeps what it must not forget: one protocol, three stores, one suite for all."""
