package study

import (
	"context"
	"database/sql"
	"fmt"
	"math"

	"lsat/metric"
)

// comparisons tests every row against the row to compare with, from the log-odds as they are stored.
func (x *executor) comparisons(ctx context.Context) error {
	r, err := readResults(x.store.db, x.store.path)
	if err != nil {
		return err
	}
	rows, err := compareAll(ctx, x.store.db, r.Cells, x.c)
	if err != nil {
		return err
	}
	return x.store.compare(rows)
}

// compareAll makes the rows of table comparison: DeLong's test on every period and, for the mean, the bootstrap by users besides, since
// samples of one user are not independent. With several seeds each seed's row is compared with the same seed's; a reference, which has
// no seed, with each.
func compareAll(ctx context.Context, db *sql.DB, cells []Cell, c Config) ([]Comparison, error) {
	type at struct {
		seed   uint64
		period int
	}
	versus := map[at]Cell{}
	rows := map[string][]Cell{}
	var order []string
	for _, cell := range cells {
		if cell.Strategy == c.CompareTo {
			versus[at{cell.Seed, cell.Period}] = cell
			continue
		}
		if rows[cell.Strategy] == nil {
			order = append(order, cell.Strategy)
		}
		rows[cell.Strategy] = append(rows[cell.Strategy], cell)
	}
	var out []Comparison
	odds := scoreRows{db: db, users: map[string]int32{}}
	for _, name := range order {
		for _, seed := range c.Seeds {
			var parts []metric.Estimate
			var sets []metric.Paired
			var users []int32
			for _, cell := range rows[name] {
				if !cell.Reference && cell.Seed != seed {
					continue
				}
				other, ok := versus[at{seed, cell.Period}]
				if !ok {
					continue
				}
				a, labels, of, err := odds.of(cell.id)
				if err != nil {
					return nil, err
				}
				b, _, _, err := odds.of(other.id)
				if err != nil {
					return nil, err
				}
				sets, users = append(sets, metric.Paired{A: a, B: b, Labels: labels}), append(users, of...)
				d, err := metric.DeLongTest(a, b, labels)
				if err != nil {
					return nil, fmt.Errorf("study: comparing %s with %s on period %d: %w", name, c.CompareTo, cell.Period, err)
				}
				parts = append(parts, d.Difference)
				out = append(out, comparison(seed, name, c.CompareTo, cell.Period, 1, d.Difference))
			}
			if len(parts) > 0 {
				m, err := metric.Mean(parts)
				if err != nil {
					return nil, fmt.Errorf("study: %w", err)
				}
				by, err := metric.BootstrapMeanAUC(ctx, sets, metric.BootstrapOptions{Seed: c.SampleSeed, Level: level, Clusters: users})
				if err != nil {
					return nil, fmt.Errorf("study: comparing %s with %s by users: %w", name, c.CompareTo, err)
				}
				row := comparison(seed, name, c.CompareTo, -1, len(parts), m)
				row.UserSE, row.UserLow, row.UserHigh, row.UserP = by.SE, by.Low, by.High, by.P
				out = append(out, row)
			}
		}
	}
	return out, nil
}

func comparison(seed uint64, name, versus string, period, periods int, d metric.Estimate) Comparison {
	low, high := d.Interval(level)
	nan := math.NaN()
	return Comparison{
		UserSE: nan, UserLow: nan, UserHigh: nan, UserP: nan,
		Seed: seed, Strategy: name, Reference: versus, Period: period, Periods: periods,
		Difference: d.Value, SE: d.SE, Low: low, High: high, P: d.P(),
	}
}

// scoreRows reads the scores of single cells.
type scoreRows struct {
	db *sql.DB
	// users numbers the users in the order in which they are met.
	users map[string]int32
}

// of returns a cell's log-odds, labels and users, in the order of the samples.
func (r scoreRows) of(cell int64) (odds []float64, labels []bool, users []int32, err error) {
	rows, err := r.db.Query("SELECT l.log_odds, s.label, s.user FROM log_odds l JOIN sample s ON s.id = l.sample WHERE l.result = ? ORDER BY l.sample", cell)
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() { _ = rows.Close() }() // Err below tells what matters
	for rows.Next() {
		var o float64
		var l bool
		var name string
		if err := rows.Scan(&o, &l, &name); err != nil {
			return nil, nil, nil, err
		}
		u, ok := r.users[name]
		if !ok {
			u = int32(len(r.users))
			r.users[name] = u
		}
		odds, labels, users = append(odds, o), append(labels, l), append(users, u)
	}
	return odds, labels, users, rows.Err()
}
