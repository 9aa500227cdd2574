package study_test

import (
	"database/sql"
	"errors"
	"math"
	"path/filepath"
	"reflect"
	"testing"

	"lsat/metric"
	"lsat/strategy"
	"lsat/study"
)

// sameCurves compares curves whose numbers may be NaN.
func sameCurves(a, b study.Curves) bool {
	plain := func(c study.Curves) study.Curves {
		for i := range c.Groups {
			if math.IsNaN(c.Groups[i].AUC.Value) {
				c.Groups[i].AUC = metric.Estimate{Value: -1}
			}
		}
		for i := range c.Weights {
			if math.IsNaN(c.Weights[i].Chosen) {
				c.Weights[i].Chosen = -1
			}
			for k := range c.Weights[i].Points {
				if math.IsNaN(c.Weights[i].Points[k].TestAUC) {
					c.Weights[i].Points[k].TestAUC = -1
				}
			}
		}
		return c
	}
	return reflect.DeepEqual(plain(a), plain(b))
}

// The grid of weights ends in the two parts themselves, holds what served, and its validation side alone explains the choice.
func TestWeightCurves(t *testing.T) {
	t.Parallel()
	c, in := small(t, "strategies=[short, long, lsat-ensemble-3, lsat-fusion, lsat-stack]")
	r := run(t, t.TempDir(), c, in)
	seen := map[string]int{}
	for _, w := range r.Curves.Weights {
		seen[w.Strategy]++
		cell := find(t, r, w.Strategy, w.Period)
		var grid, valid []float64
		for _, p := range w.Points {
			grid, valid = append(grid, p.Weight), append(valid, p.ValidAUC)
			if tested := !math.IsNaN(p.TestAUC); tested != (w.Strategy == "lsat-ensemble-3") {
				t.Errorf("%s on %d, weight %v: test AUC %v", w.Strategy, w.Period, p.Weight, p.TestAUC)
			}
		}
		if !reflect.DeepEqual(grid, strategy.Weights()) {
			t.Fatalf("%s on %d: weights %v", w.Strategy, w.Period, grid)
		}
		at := strategy.Choose(grid, valid)
		if grid[at] != w.Chosen || w.Chosen != cell.Weight || valid[at] != cell.ValidAUC || w.Update != w.Period-1 {
			t.Errorf("%s on %d: weight %v with %v, the grid says %v with %v", w.Strategy, w.Period, w.Chosen, cell.ValidAUC, grid[at], valid[at])
		}
		if w.Strategy != "lsat-ensemble-3" {
			continue
		}
		for k, want := range map[int]float64{0: find(t, r, "short", w.Period).AUC.Value, 10: find(t, r, "long", w.Period).AUC.Value, at: cell.AUC.Value} {
			if got := w.Points[k].TestAUC; math.Abs(got-want) > 1e-12 {
				t.Errorf("on %d, weight %v: test AUC %v, want %v", w.Period, grid[k], got, want)
			}
		}
	}
	if seen["lsat-ensemble-3"] != 3 || seen["lsat-fusion"] != 3 || len(seen) != 2 {
		t.Errorf("curves of %v", seen)
	}
}

// Items 24 to 29 come up in the second half only, after the long-term adapter's three periods of six.
func TestWarmAndColdItems(t *testing.T) {
	t.Parallel()
	c, in := small(t, "strategies=[short, long]")
	set := syntheticSet(1, 3200)
	for k := range set.Interactions[:len(set.Interactions)/2+100] {
		if e := &set.Interactions[k]; e.Item >= 24 {
			e.Item -= 24
		}
	}
	in.Stream = stream(t, c, set)
	dir := t.TempDir()
	r := run(t, dir, c, in)
	cold := 0
	for _, g := range r.Curves.Groups {
		odds, _ := oddsOf(t, dir, g.Strategy, g.Period)
		var z []float64
		var y []bool
		for k, v := range odds {
			i := in.Stream.Periods[g.Period].All.Lo + k
			known := false
			for j := range in.Stream.Periods[2].All.Hi { // D_0 … D_2 taught the long-term adapter
				known = known || in.Stream.Item(j) == in.Stream.Item(i)
			}
			if known == (g.Group == study.Warm) {
				z, y = append(z, v), append(y, in.Stream.Samples[i].Label)
			}
		}
		want, err := metric.DeLong(z, y)
		if err != nil {
			if !errors.Is(err, metric.ErrOneClass) || !math.IsNaN(g.AUC.Value) || g.Samples != len(z) {
				t.Errorf("%s on %d, %s items: %+v, want %v", g.Strategy, g.Period, g.Group, g, err)
			}
			continue
		}
		if g.Samples != len(z) || g.AUC != want {
			t.Errorf("%s on %d, %s items: %d samples, %v; want %d, %v", g.Strategy, g.Period, g.Group, g.Samples, g.AUC, len(z), want)
		}
		if g.Group == study.Cold {
			cold += g.Samples
		}
	}
	if len(r.Curves.Groups) != 2*len(r.Cells) || cold == 0 {
		t.Errorf("%d groups of %d cells, %d cold samples", len(r.Curves.Groups), len(r.Cells), cold)
	}
}

// The bins of a row hold all of its samples, and the error is what they say.
func TestReliability(t *testing.T) {
	t.Parallel()
	c, in := small(t, "strategies=[short, long]", "seeds=[1, 2]")
	r := run(t, t.TempDir(), c, in)
	for _, row := range r.Curves.Reliability {
		want, got, ece := 0, 0, 0.0
		for _, cell := range r.Cells {
			if cell.Strategy == row.Strategy {
				want += cell.Samples
			}
		}
		for _, b := range row.Bins {
			got += b.Count
			ece += float64(b.Count) * math.Abs(b.Predicted-b.Observed)
		}
		if got != want || math.Abs(ece/float64(got)-row.ECE) > 1e-12 {
			t.Errorf("%s: bins of %d samples with error %v; want %d, %v", row.Strategy, got, ece/float64(got), want, row.ECE)
		}
	}
	if len(r.Curves.Reliability) != 5 {
		t.Errorf("%d rows, want two strategies and three references", len(r.Curves.Reliability))
	}
}

// The pooled AUC is that of all test periods' samples in one list, for each seed.
func TestPooled(t *testing.T) {
	t.Parallel()
	c, in := small(t, "strategies=[short]", "references=[means]", "seeds=[1, 2]")
	dir := t.TempDir()
	r := run(t, dir, c, in)
	if len(r.Curves.Pooled) != 3 {
		t.Fatalf("%d rows, want two seeds and a reference", len(r.Curves.Pooled))
	}
	var odds []float64
	var labels []bool
	for p := c.Periods.First; p <= c.Periods.Last; p++ {
		z, y := oddsOf(t, dir, "means", p)
		odds, labels = append(odds, z...), append(labels, y...)
	}
	want, err := metric.AUC(odds, labels)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Curves.Pooled {
		switch {
		case p.Strategy == "means" && (p.Seed != 0 || math.Abs(p.AUC.Value-want) > 1e-12 || p.AUC.SE <= 0):
			t.Errorf("means: %+v, want %v", p, want)
		case p.Strategy == "short" && p.Seed == 0:
			t.Errorf("short without a seed: %+v", p)
		}
	}
	if a, b := r.Curves.Pooled[0].AUC, r.Curves.Pooled[1].AUC; a == b {
		t.Error("both seeds have the same pooled AUC")
	}
}

// A file of the schema before can be read, without what it does not hold, and the next run fills that in.
func TestOlderResultsAreReadAndBroughtUpToDate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, in := small(t, "strategies=[short, lsat-ensemble-3]")
	now := run(t, dir, c, in)
	db, err := sql.Open("sqlite", filepath.Join(dir, study.ResultsFile))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("DROP TABLE merge_weight; ALTER TABLE sample DROP COLUMN item_period; PRAGMA user_version = 2"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	old, err := study.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(old.Curves.Reliability, now.Curves.Reliability) || old.Curves.Groups != nil || old.Curves.Weights != nil {
		t.Errorf("of the older file: %d rows, %d groups, %d curves", len(old.Curves.Reliability), len(old.Curves.Groups), len(old.Curves.Weights))
	}
	_, in = small(t)
	if again := run(t, dir, c, in); !sameCurves(again.Curves, now.Curves) {
		t.Error("another run did not bring the older file up to date")
	}
}
