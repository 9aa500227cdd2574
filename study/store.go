package study

import (
	"context"
	"database/sql"
	_ "embed" // the schema
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver

	"lsat/metric"
	"lsat/period"
	"lsat/train"
)

// ResultsFile is the name of the results in a run directory.
const ResultsFile = "results.sqlite"

// schemaVersion is PRAGMA user_version of the results; files of oldestSchema on can be read, and are brought up to date when they are written.
const (
	schemaVersion = 3
	oldestSchema  = 2
)

//go:embed schema.sql
var schema string

// upgrade turns a file of oldestSchema into one of schemaVersion.
//
//go:embed upgrade.sql
var upgrade string

// notWeighed is the weight where there is nothing to weigh.
var notWeighed = math.NaN()

// level is the confidence level of every interval.
const level = .95

// store writes the results of a run. Each cell of the table is one transaction, so a killed process leaves whole cells only.
type store struct {
	db   *sql.DB
	path string
	// met is the first period with a sample of each item, made when first needed.
	met []int32
}

// runRow is the one row of table run.
type runRow struct {
	Config, Data, DataHash                string
	Samples, Periods                      int
	Backbone, BackboneHash, Numerics      string
	Template, TemplateHash, Audit, Versus string
}

type jobRow struct {
	Key, Name, Kept string
	Seed            uint64
	Result          train.Result
}

// cell is one row of strategy_result, with the score of every sample.
type cell struct {
	Seed           uint64
	Strategy, Role string
	Period, Update int
	Kind           string
	Keys           []string
	Weight         float64
	Coefficients   []Coefficient
	Curve          []WeightPoint
	ValidAUC       float64
	samples        []int
	odds           []float64
}

// dsn names a database file. One that exists is not opened read-only either: a killed process may have left a transaction to roll back.
func dsn(path string, exists bool) string {
	q := "?_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)&_pragma=synchronous(FULL)"
	if exists {
		q += "&mode=rw"
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + q
}

func openStore(dir string) (*store, error) {
	path := filepath.Join(dir, ResultsFile)
	db, err := sql.Open("sqlite", dsn(path, false))
	if err != nil {
		return nil, fmt.Errorf("study: %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	s := &store{db: db, path: path}
	if err := s.create(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

func (s *store) create() error {
	version, err := schemaOf(s.db, s.path)
	if err != nil || version == schemaVersion {
		return err
	}
	statements := schema
	if version == oldestSchema {
		statements = upgrade
	}
	return s.within(func(tx *sql.Tx) error {
		if _, err := tx.Exec(statements); err != nil {
			return err
		}
		_, err := tx.Exec(fmt.Sprintf("PRAGMA user_version = %d", schemaVersion))
		return err
	})
}

// schemaOf reads the schema's version, 0 for a new file, and refuses versions from elsewhere.
func schemaOf(db *sql.DB, path string) (int, error) {
	var version int
	if err := db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return 0, fmt.Errorf("study: %s: %w", path, err)
	}
	if version != 0 && (version < oldestSchema || version > schemaVersion) {
		return 0, fmt.Errorf("study: %s: written in schema %d, this lsat knows %d to %d; use another --out", path, version, oldestSchema, schemaVersion)
	}
	return version, nil
}

func (s *store) close() error { return s.db.Close() }

// within runs f in one transaction.
func (s *store) within(f func(tx *sql.Tx) error) error {
	tx, err := s.db.BeginTx(context.Background(), nil) // a cell that is computed is written, also while stopping
	if err != nil {
		return fmt.Errorf("study: %s: %w", s.path, err)
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // the first error says more
		return fmt.Errorf("study: %s: %w", s.path, err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("study: %s: %w", s.path, err)
	}
	return nil
}

// begin prepares the tables for a run. Cells of the same run that are still planned stay; those of another run in this directory go, since
// its adapters and scores are files of their own and come back at once when they are asked for.
func (s *store) begin(r runRow, planned func(seed uint64, name string, period int) bool) error {
	return s.within(func(tx *sql.Tx) error {
		var same int
		err := tx.QueryRow(`SELECT count(*) FROM run WHERE data_hash=? AND backbone_hash=? AND numerics=? AND template_hash=? AND config=?`,
			r.DataHash, r.BackboneHash, r.Numerics, r.TemplateHash, r.Config).Scan(&same)
		if err != nil {
			return err
		}
		if same == 0 {
			for _, t := range []string{"run", "job", "comparison", "merge_weight", "log_odds", "strategy_result", "sample"} {
				if _, err := tx.Exec("DELETE FROM " + t); err != nil {
					return err
				}
			}
		} else if err := forget(tx, planned); err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT OR REPLACE INTO run VALUES (1,?,?,?,?,?,?,?,?,?,?,?,?,0)`, r.Config, r.Data, r.DataHash, r.Samples, r.Periods,
			r.Backbone, r.BackboneHash, r.Numerics, r.Template, r.TemplateHash, r.Audit, r.Versus)
		return err
	})
}

func (s *store) job(j jobRow) error {
	spec, err := json.Marshal(j.Result.Spec)
	if err != nil {
		return fmt.Errorf("study: job %s: %w", j.Name, err)
	}
	r := j.Result
	return s.within(func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT OR REPLACE INTO job VALUES (?,?,?,?,?,?,?,?,?,?)`, j.Key, int64(j.Seed), j.Name, string(spec), j.Kept,
			r.ValidAUC, r.InitAUC, r.BestStep, r.Steps, r.Seconds)
		return err
	})
}

// cell measures a cell and writes it with all its scores.
func (s *store) cell(stream *period.Stream, c cell) error {
	labels := labelsOf(stream, c.samples)
	fail := func(err error) error {
		return fmt.Errorf("study: %s on period %d: %w", c.Strategy, c.Period, err)
	}
	auc, err := metric.DeLong(c.odds, labels)
	if err != nil {
		return fail(err)
	}
	low, high := auc.Interval(level)
	loss, err := metric.LogLoss(c.odds, labels)
	if err != nil {
		return fail(err)
	}
	ece, _, err := metric.Calibration(c.odds, labels, metric.CalibrationBins)
	if err != nil {
		return fail(err)
	}
	var userAUC any // NULL where no user has both classes
	users, err := metric.UserAUC(c.odds, labels, usersOf(stream, c.samples))
	switch {
	case err == nil:
		userAUC = users.Mean
	case !errors.Is(err, metric.ErrOneClass):
		return fail(err)
	}
	liked := 0
	for _, l := range labels {
		if l {
			liked++
		}
	}
	var long, short any
	var coefficients any
	if c.Coefficients != nil {
		b, err := json.Marshal(c.Coefficients)
		if err != nil {
			return fail(err)
		}
		coefficients = string(b)
	}
	switch len(c.Keys) {
	case 1:
		short = c.Keys[0]
	case 2:
		long, short = c.Keys[0], c.Keys[1]
	}
	return s.within(func(tx *sql.Tx) error {
		if _, err := tx.Exec(`DELETE FROM strategy_result WHERE seed=? AND strategy=? AND period=?`, int64(c.Seed), c.Strategy, c.Period); err != nil {
			return err
		}
		res, err := tx.Exec(`INSERT INTO strategy_result VALUES (NULL,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`, int64(c.Seed), c.Strategy, c.Role,
			c.Period, c.Update, c.Kind, long, short, number(c.Weight), coefficients, number(c.ValidAUC), len(c.samples), liked, auc.Value, auc.SE, low, high,
			userAUC, users.Users, loss, ece)
		if err != nil {
			return err
		}
		id, err := res.LastInsertId()
		if err != nil {
			return err
		}
		for _, p := range c.Curve {
			if _, err := tx.Exec(`INSERT INTO merge_weight VALUES (?,?,?,?)`, id, p.Weight, p.ValidAUC, number(p.TestAUC)); err != nil {
				return err
			}
		}
		return s.writeScoreRows(tx, stream, id, c)
	})
}

func (s *store) writeScoreRows(tx *sql.Tx, stream *period.Stream, id int64, c cell) error {
	if s.met == nil {
		s.met = itemPeriods(stream)
	}
	// A row of an older schema lacks the item's period.
	sample, err := tx.Prepare(`INSERT INTO sample VALUES (?,?,?,?,?,?,?)
		ON CONFLICT (id) DO UPDATE SET item_period = excluded.item_period WHERE item_period IS NULL`)
	if err != nil {
		return err
	}
	defer func() { _ = sample.Close() }()
	odds, err := tx.Prepare(`INSERT INTO log_odds VALUES (?,?,?)`)
	if err != nil {
		return err
	}
	defer func() { _ = odds.Close() }()
	set := stream.Set
	for i, k := range c.samples {
		sm := stream.Samples[k]
		e := set.Interactions[sm.Event]
		if _, err := sample.Exec(k, c.Period, e.Time, set.Users[e.User], set.Items[e.Item].ID, sm.Label, s.met[e.Item]); err != nil {
			return err
		}
		if _, err := odds.Exec(id, k, c.odds[i]); err != nil {
			return err
		}
	}
	return nil
}

// number is NULL for what is not a number.
func number(v float64) any {
	if math.IsNaN(v) {
		return nil
	}
	return v
}

func (s *store) compare(rows []Comparison) error {
	return s.within(func(tx *sql.Tx) error {
		if _, err := tx.Exec("DELETE FROM comparison"); err != nil {
			return err
		}
		for _, r := range rows {
			if _, err := tx.Exec(`INSERT INTO comparison VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)`, int64(r.Seed), r.Strategy, r.Reference, r.Period, r.Periods,
				r.Difference, r.SE, r.Low, r.High, r.P, number(r.UserSE), number(r.UserLow), number(r.UserHigh), number(r.UserP)); err != nil {
				return err
			}
		}
		_, err := tx.Exec("UPDATE run SET complete = 1")
		return err
	})
}

// forget deletes the cells that are no longer planned, and all comparisons, which are made anew.
func forget(tx *sql.Tx, planned func(seed uint64, name string, period int) bool) error {
	rows, err := tx.Query("SELECT id,seed,strategy,period FROM strategy_result")
	if err != nil {
		return err
	}
	var gone []int64
	for rows.Next() {
		var id, seed int64
		var name string
		var t int
		if err := rows.Scan(&id, &seed, &name, &t); err != nil {
			return errors.Join(err, rows.Close())
		}
		if !planned(uint64(seed), name, t) {
			gone = append(gone, id)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, id := range gone {
		if _, err := tx.Exec("DELETE FROM strategy_result WHERE id=?", id); err != nil {
			return err
		}
	}
	_, err = tx.Exec("DELETE FROM comparison")
	return err
}
