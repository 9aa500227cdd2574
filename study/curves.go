package study

import (
	"database/sql"
	"errors"
	"math"

	"lsat/metric"
	"lsat/period"
)

// Curves are what a plot shows and a single number does not, worked out from every sample's log-odds as they are stored.
type Curves struct {
	// Reliability has one entry for each row that has scores, in the order in which the cells bring them up.
	Reliability []Reliability
	// Groups splits every cell's samples by their items. It is empty for files that do not tell an item's first period.
	Groups []GroupCell
	// Weights are the merge weights of the two-part strategies, one entry a cell.
	Weights []WeightCurve
	// Pooled has one entry for each row and seed.
	Pooled []Pooled
}

// Pooled is a row's AUC over the samples of all its test periods at once. A mean over periods asks how each period is ranked; this one
// also whether a score means the same in every period.
type Pooled struct {
	Seed     uint64
	Strategy string
	// AUC has DeLong's standard error.
	AUC metric.Estimate
}

// Reliability says how often what was given a probability came true: the bins of metric.Calibration over all samples of a row's test
// periods and seeds.
type Reliability struct {
	Strategy string
	Bins     []metric.Bin
	// ECE is the expected calibration error over these bins. A table's ECE is the mean of those of single cells, whose bins hold fewer samples.
	ECE float64
}

// Group says whether the long-term adapter knows an item.
type Group string

// The groups (the paper's Figures 3 and 4). An item is warm where a sample of it lies in D_0 … D_{N-1}, N the periods of the long-term
// adapter, and cold where its first sample comes later, be it in the tested period itself.
const (
	Warm Group = "warm"
	Cold Group = "cold"
)

// GroupCell is a cell's AUC over the samples of one group.
type GroupCell struct {
	Seed      uint64
	Strategy  string
	Reference bool
	Period    int
	Group     Group
	Samples   int
	// AUC has DeLong's standard error. Both are NaN where the group has fewer than two samples of either class.
	AUC metric.Estimate
}

// WeightPoint is what one weight of the grid gives.
type WeightPoint struct {
	// Weight is the long-term part's.
	Weight float64
	// ValidAUC is the AUC on the validation part of the update's period, by which the weight is chosen.
	ValidAUC float64
	// TestAUC is the AUC on the test period, which no choice sees; NaN where only the chosen adapter scored it.
	TestAUC float64
}

// WeightCurve is the grid of one cell, by ascending weight. Chosen is the weight that served.
type WeightCurve struct {
	Seed           uint64
	Strategy       string
	Period, Update int
	Chosen         float64
	Points         []WeightPoint
}

// itemPeriods is the first period with a sample of each item; the number of periods where there is none.
func itemPeriods(s *period.Stream) []int32 {
	met := make([]int32, len(s.Set.Items))
	for i := range met {
		met[i] = int32(len(s.Periods))
	}
	for p := len(s.Periods) - 1; p >= 0; p-- {
		for i := s.Periods[p].All.Lo; i < s.Periods[p].All.Hi; i++ {
			met[s.Item(i)] = int32(p)
		}
	}
	return met
}

// readCurves makes the curves of results that have been read from a file of that schema.
func (r *Results) readCurves(db *sql.DB, schema int) error {
	type rowSeed struct {
		strategy string
		seed     uint64
	}
	rows, seeds := gathered[string]{}, gathered[rowSeed]{}
	for _, c := range r.Cells {
		odds, labels, periods, err := readCellScores(db, c.id, schema)
		if err != nil {
			return err
		}
		rows.add(c.Strategy, odds, labels)
		seeds.add(rowSeed{c.Strategy, c.Seed}, odds, labels)
		if periods != nil {
			groups, err := splitCell(c, odds, labels, periods, r.Run.Config.LongPeriods)
			if err != nil {
				return err
			}
			r.Curves.Groups = append(r.Curves.Groups, groups...)
		}
	}
	for _, name := range rows.order {
		ece, bins, err := metric.Calibration(rows.by[name].odds, rows.by[name].labels, metric.CalibrationBins)
		if err != nil {
			return err
		}
		r.Curves.Reliability = append(r.Curves.Reliability, Reliability{Strategy: name, Bins: bins, ECE: ece})
	}
	for _, key := range seeds.order {
		auc, err := metric.DeLong(seeds.by[key].odds, seeds.by[key].labels)
		if err != nil {
			return err
		}
		r.Curves.Pooled = append(r.Curves.Pooled, Pooled{Seed: key.seed, Strategy: key.strategy, AUC: auc})
	}
	if schema < 3 { // such files keep no weights but the chosen ones
		return nil
	}
	return r.readWeights(db)
}

// gathered are the scores of several cells put together by a key, and the keys in the order in which they came up.
type gathered[K comparable] struct {
	by    map[K]*labelled
	order []K
}

type labelled struct {
	odds   []float64
	labels []bool
}

func (g *gathered[K]) add(key K, odds []float64, labels []bool) {
	if g.by == nil {
		g.by = map[K]*labelled{}
	}
	all := g.by[key]
	if all == nil {
		all = &labelled{}
		g.by[key] = all
		g.order = append(g.order, key)
	}
	all.odds, all.labels = append(all.odds, odds...), append(all.labels, labels...)
}

// readCellScores returns a cell's log-odds, its labels and the first periods of its items, which are nil where one is not told.
func readCellScores(db *sql.DB, id int64, schema int) (odds []float64, labels []bool, periods []int, err error) {
	column := "s.item_period"
	if schema < 3 {
		column = "NULL"
	}
	rows, err := db.Query("SELECT l.log_odds, s.label, "+column+" FROM log_odds l JOIN sample s ON s.id = l.sample WHERE l.result = ? ORDER BY l.sample", id)
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() { _ = rows.Close() }() // Err below tells what matters
	told := true
	for rows.Next() {
		var o float64
		var l bool
		var p sql.NullInt64
		if err := rows.Scan(&o, &l, &p); err != nil {
			return nil, nil, nil, err
		}
		odds, labels, periods = append(odds, o), append(labels, l), append(periods, int(p.Int64))
		told = told && p.Valid
	}
	if !told {
		periods = nil
	}
	return odds, labels, periods, rows.Err()
}

// splitCell measures a cell's groups.
func splitCell(c Cell, odds []float64, labels []bool, periods []int, longPeriods int) ([]GroupCell, error) {
	var out []GroupCell
	for _, g := range []Group{Warm, Cold} {
		var z []float64
		var y []bool
		for i, p := range periods {
			if (p < longPeriods) == (g == Warm) {
				z, y = append(z, odds[i]), append(y, labels[i])
			}
		}
		auc, err := metric.DeLong(z, y)
		switch {
		case errors.Is(err, metric.ErrOneClass), errors.Is(err, metric.ErrTooFew):
			auc = metric.Estimate{Value: math.NaN(), SE: math.NaN()}
		case err != nil:
			return nil, err
		}
		out = append(out, GroupCell{Seed: c.Seed, Strategy: c.Strategy, Reference: c.Reference, Period: c.Period, Group: g, Samples: len(z), AUC: auc})
	}
	return out, nil
}

func (r *Results) readWeights(db *sql.DB) error {
	byCell := map[int64]int{} // places in r.Cells
	for i, c := range r.Cells {
		byCell[c.id] = i
	}
	points := make([][]WeightPoint, len(r.Cells))
	err := each(db, "SELECT result, weight, valid_auc, test_auc FROM merge_weight ORDER BY result, weight", func(rows *sql.Rows) error {
		var id int64
		var p WeightPoint
		var test sql.NullFloat64
		if err := rows.Scan(&id, &p.Weight, &p.ValidAUC, &test); err != nil {
			return err
		}
		p.TestAUC = orNaN(test)
		if i, ok := byCell[id]; ok {
			points[i] = append(points[i], p)
		}
		return nil
	})
	for i, c := range r.Cells {
		if points[i] != nil {
			r.Curves.Weights = append(r.Curves.Weights, WeightCurve{
				Seed: c.Seed, Strategy: c.Strategy, Period: c.Period, Update: c.Update, Chosen: c.Weight, Points: points[i],
			})
		}
	}
	return err
}
