"""One room per published API: `wire` translates its words, `routes` is its door. A dialect decides nothing."""
