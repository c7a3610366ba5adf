"""One room per seed document: `wire` translates its words, `routes` is its door. A dialect decides nothing."""
