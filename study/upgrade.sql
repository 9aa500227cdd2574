-- From schema 2 to 3: what plots by warm items and by merge weights need.
ALTER TABLE sample ADD COLUMN item_period INTEGER;
CREATE TABLE merge_weight (
  result INTEGER NOT NULL REFERENCES strategy_result (id) ON DELETE CASCADE,
  weight REAL NOT NULL,
  valid_auc REAL NOT NULL,
  test_auc REAL,
  PRIMARY KEY (result, weight)
) WITHOUT ROWID;
