-- results.sqlite: one file per run. PRAGMA user_version is the version of this schema.
-- Times are Unix seconds, log-odds are logit(yes) - logit(no) of natural logarithms, intervals are at 95%.

-- run has one row: what the study was.
CREATE TABLE run (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  config TEXT NOT NULL,        -- the configuration with its defaults, as JSON
  data TEXT NOT NULL,          -- name of the data set
  data_hash TEXT NOT NULL,     -- SHA-256 of interactions and item texts
  samples INTEGER NOT NULL,    -- samples of the whole stream
  periods INTEGER NOT NULL,
  backbone TEXT NOT NULL,      -- as the configuration names it
  backbone_hash TEXT NOT NULL,
  numerics TEXT NOT NULL,      -- backend and data type
  template TEXT NOT NULL,
  template_hash TEXT NOT NULL,
  audit TEXT NOT NULL,         -- what the leakage audit found
  compare_to TEXT NOT NULL,    -- the row that all others are compared with
  complete INTEGER NOT NULL    -- 1 once every cell is there
);

-- job is every training job of the study. Its adapter is the PEFT directory jobs/<key>/adapter beside this file.
CREATE TABLE job (
  key TEXT NOT NULL,           -- SHA-256 of the spec
  seed INTEGER NOT NULL,
  name TEXT NOT NULL,          -- what it trains on, in periods: "D0-D9", "D10", "D0-D9>D9.valid+D10"
  spec TEXT NOT NULL,          -- train.Spec as JSON
  kept TEXT NOT NULL,          -- key of the adapter that the job ended with: its own, or after a rollback an earlier one's
  valid_auc REAL NOT NULL,     -- of the best checkpoint, on the job's validation part
  init_auc REAL NOT NULL,      -- of the adapter that it started from, there
  best_step INTEGER NOT NULL,
  steps INTEGER NOT NULL,
  seconds REAL NOT NULL,       -- wall time of the process that finished it
  PRIMARY KEY (seed, name)
);

-- strategy_result is one cell: a strategy (or reference), updated with period update_period and tested on the next.
CREATE TABLE strategy_result (
  id INTEGER PRIMARY KEY,
  seed INTEGER NOT NULL,          -- 0 for references, which have none
  strategy TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('strategy', 'reference')),
  period INTEGER NOT NULL,        -- the test period, counted from 0
  update_period INTEGER NOT NULL, -- the newest period that anything was learnt from
  kind TEXT NOT NULL,             -- bare, single, ensemble, fuse-paper, fuse-peft, fuse-exact, stack or baseline
  long_key TEXT,                  -- job of the long-term part, of two parts
  short_key TEXT,                 -- job of the short-term part, or of the only one
  weight REAL,                    -- weight of the long-term part
  coefficients TEXT,              -- of a stack or a sum: JSON [{"part": "intercept", "prior", "long", "short" or a reference, "value": number}, …]; of a gate also "by", "mean", "sd"
  valid_auc REAL,                 -- on the validation part of update_period, of what is served
  samples INTEGER NOT NULL,
  liked INTEGER NOT NULL,
  auc REAL NOT NULL,
  auc_se REAL NOT NULL,           -- DeLong's standard error
  auc_low REAL NOT NULL,
  auc_high REAL NOT NULL,
  user_auc REAL,                  -- plain mean of the AUCs of the users with both classes
  user_auc_users INTEGER NOT NULL,
  log_loss REAL NOT NULL,
  ece REAL NOT NULL,              -- expected calibration error, 15 bins of equal mass
  UNIQUE (seed, strategy, period)
);

-- sample is every tested sample, once.
CREATE TABLE sample (
  id INTEGER PRIMARY KEY,       -- its number in the stream
  period INTEGER NOT NULL,
  time INTEGER NOT NULL,
  user TEXT NOT NULL,
  item TEXT NOT NULL,
  label INTEGER NOT NULL,
  item_period INTEGER           -- the first period with a sample of the item; NULL where a file of schema 2 has not been run again
);

-- merge_weight is what every weight of the grid would have given a two-part strategy. The weight that serves is chosen by valid_auc alone;
-- test_auc is worked out afterwards, to show what the choice cost.
CREATE TABLE merge_weight (
  result INTEGER NOT NULL REFERENCES strategy_result (id) ON DELETE CASCADE,
  weight REAL NOT NULL,         -- of the long-term part
  valid_auc REAL NOT NULL,
  test_auc REAL,                -- NULL for fused adapters, of which only the chosen one scores the test period
  PRIMARY KEY (result, weight)
) WITHOUT ROWID;

-- log_odds holds the score of every sample in every cell.
CREATE TABLE log_odds (
  result INTEGER NOT NULL REFERENCES strategy_result (id) ON DELETE CASCADE,
  sample INTEGER NOT NULL REFERENCES sample (id),
  log_odds REAL NOT NULL,
  PRIMARY KEY (result, sample)
) WITHOUT ROWID;

-- score shows the same with everything that belongs to it.
CREATE VIEW score AS
  SELECT r.seed, r.strategy, r.period, l.sample, s.user, s.item, s.time, s.label, l.log_odds
  FROM log_odds l JOIN strategy_result r ON r.id = l.result JOIN sample s ON s.id = l.sample;

-- comparison is the paired test of a row against run.compare_to, on the same samples and with the same seed: DeLong's, which takes samples as
-- independent, and for the mean over periods the bootstrap by users (2000 resamples of whole users, over all periods at once).
CREATE TABLE comparison (
  seed INTEGER NOT NULL,        -- the reference's seed where the row has none
  strategy TEXT NOT NULL,
  reference TEXT NOT NULL,
  period INTEGER NOT NULL,      -- -1: mean over the periods that both have
  periods INTEGER NOT NULL,     -- how many those are
  difference REAL NOT NULL,     -- AUC of the strategy minus AUC of the reference
  se REAL NOT NULL,
  low REAL NOT NULL,
  high REAL NOT NULL,
  p REAL NOT NULL,
  user_se REAL,                 -- by users, for the mean only
  user_low REAL,
  user_high REAL,
  user_p REAL,
  PRIMARY KEY (seed, strategy, period)
);
