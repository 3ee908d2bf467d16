"""The commands about money: how a budget stands, and the stop for all spending."""
