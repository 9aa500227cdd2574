package study_test

import (
	"database/sql"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"lsat/baseline"
	"lsat/engine"
	"lsat/metric"
	"lsat/prompt"
	"lsat/study"
)

// oddsOf reads a cell's log-odds and labels in the order of the samples, straight from the results file.
func oddsOf(t *testing.T, dir, name string, p int) (odds []float64, labels []bool) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, study.ResultsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.Query("SELECT log_odds, label FROM score WHERE strategy = ? AND period = ? ORDER BY sample", name, p)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var o float64
		var l bool
		if err := rows.Scan(&o, &l); err != nil {
			t.Fatal(err)
		}
		odds, labels = append(odds, o), append(labels, l)
	}
	if len(odds) == 0 {
		t.Fatalf("no scores of %s on period %d", name, p)
	}
	return odds, labels
}

// columnsOf are the log-odds of rows on a period, and its labels.
func columnsOf(t *testing.T, dir string, p int, rows []string) (x [][]float64, labels []bool) {
	t.Helper()
	for _, name := range rows {
		var odds []float64
		odds, labels = oddsOf(t, dir, name, p)
		x = append(x, odds)
	}
	return x, labels
}

// sumOf is the sum of a sample's log-odds, an intercept first.
func sumOf(cs []study.Coefficient, x [][]float64, i int) float64 {
	z := cs[0].Value
	for k := range x {
		z += cs[k+1].Value * x[k][i]
	}
	return z
}

// addsUp wants a row's log-odds on a period to be the sum of others' with these coefficients.
func addsUp(t *testing.T, dir, row string, p int, parts []string, cs []study.Coefficient) {
	t.Helper()
	x, _ := columnsOf(t, dir, p, parts)
	got, _ := oddsOf(t, dir, row, p)
	for i := range got {
		if want := sumOf(cs, x, i); math.Abs(got[i]-want) > 1e-9 {
			t.Fatalf("period %d, sample %d: %v, the parts add up to %v", p, i, got[i], want)
		}
	}
}

// isOptimum wants coefficients to have the lowest loss over what their parts served from a period on and before p, with a penalty that draws them to the
// first part alone.
func isOptimum(t *testing.T, dir string, p int, parts []string, cs []study.Coefficient, from int) {
	t.Helper()
	slope := make([]float64, len(cs))
	for k := range slope {
		slope[k] = 10 * cs[k].Value
	}
	slope[1] -= 10
	for past := from; past < p; past++ {
		x, labels := columnsOf(t, dir, past, parts)
		for i, yes := range labels {
			wrong := metric.Probability(sumOf(cs, x, i))
			if yes {
				wrong--
			}
			slope[0] += wrong
			for k := range x {
				slope[k+1] += wrong * x[k][i]
			}
		}
	}
	for k, s := range slope {
		if math.Abs(s) > 1e-5 {
			t.Errorf("period %d: the loss over the past periods has slope %v in coefficient %d", p, s, k)
		}
	}
}

// A stack's score is the sum that its coefficients say, of the scores that its parts have as rows of their own; and from the second
// update on the coefficients are the optimum over what those rows had served before.
func TestStackAddsUpWhatServedBefore(t *testing.T) {
	t.Parallel()
	c, in := small(t, "prior=means", "strategies=[short, long, lsat-stack]", "compare_to=lsat-stack")
	dir := t.TempDir()
	r := run(t, dir, c, in)
	stackParts := []string{"means", "long", "short"}
	for p := 3; p <= 5; p++ {
		cell := find(t, r, "lsat-stack", p)
		if len(cell.Coefficients) != 4 || cell.Coefficients[0].Part != "intercept" || cell.Coefficients[1].Part != "prior" ||
			cell.Coefficients[2].Part != "long" || cell.Coefficients[3].Part != "short" {
			t.Fatalf("coefficients %v", cell.Coefficients)
		}
		addsUp(t, dir, "lsat-stack", p, stackParts, cell.Coefficients)
		if p > 3 { // before, nothing had been served; the validation part decided
			isOptimum(t, dir, p, stackParts, cell.Coefficients, 3)
		}
	}
	if a, b := find(t, r, "lsat-stack", 4), find(t, r, "lsat-stack", 5); slices.Equal(a.Coefficients, b.Coefficients) {
		t.Error("the coefficients did not learn from period 4")
	}
}

func TestStackOfOnePart(t *testing.T) {
	t.Parallel()
	c, in := small(t, "strategies=[lsat-stack-long, lsat-stack-short]")
	r := run(t, t.TempDir(), c, in)
	for name, part := range map[string]string{"lsat-stack-long": "long", "lsat-stack-short": "short"} {
		if cs := find(t, r, name, 4).Coefficients; len(cs) != 3 || cs[2].Part != part {
			t.Errorf("%s: coefficients %v", name, cs)
		}
	}
}

// A gated stack begins as the plain one: before two periods have been served, nothing speaks for a gate.
func TestGatedStackBeginsPlain(t *testing.T) {
	t.Parallel()
	c, in := small(t, "strategies=[lsat-stack, lsat-stack-gated]")
	r := run(t, t.TempDir(), c, in)
	for p := 3; p <= 5; p++ {
		plain, gated := find(t, r, "lsat-stack", p), find(t, r, "lsat-stack-gated", p)
		switch {
		case p < 5:
			if !slices.Equal(plain.Coefficients, gated.Coefficients) || plain.AUC != gated.AUC {
				t.Errorf("period %d: %v and %v", p, plain.Coefficients, gated.Coefficients)
			}
		case len(gated.Coefficients) != len(plain.Coefficients) && len(gated.Coefficients) != 4*len(plain.Coefficients):
			t.Errorf("period %d: %d coefficients", p, len(gated.Coefficients))
		}
	}
}

// bareOdds are what the backbone says of a sequence's targets without any adapter.
func bareOdds(t *testing.T, r engine.Runner, seq prompt.Sequence) []float64 {
	t.Helper()
	odds, err := r.Score(t.Context(), []prompt.Sequence{seq}, prompt.Answers{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return odds[0]
}

// On top of the prior, an adapter is trained with the prior's log-odds, less those of the bare backbone, as offsets, each from a prior that knew earlier
// periods only, and serves with the prior's log-odds added to what it adds to the bare backbone's.
func TestTrainingOnTopOfThePrior(t *testing.T) {
	t.Parallel()
	c, in := small(t, "prior=means", "strategies=[short, short+prior, long+prior]")
	f := &fakeTrain{}
	in.Train = f.run
	dir := t.TempDir()
	r := run(t, dir, c, in)
	s := in.Stream
	prior := func(sample int32) float64 {
		p := 0
		for int(sample) >= s.Periods[p].All.Hi {
			p++
		}
		var model baseline.Model = baseline.History{}
		if p > 0 {
			var learnt []int
			for i := range s.Periods[p-1].All.Hi {
				learnt = append(learnt, i)
			}
			var err error
			if model, err = (baseline.Means{}).Fit(s, learnt); err != nil {
				t.Fatal(err)
			}
		}
		odds, err := model.Score(s, []int{int(sample)})
		if err != nil {
			t.Fatal(err)
		}
		return odds[0]
	}
	offset, plain := 0, 0
	for k, spec := range f.specs {
		for _, part := range [][]prompt.Sequence{f.data[k].Train, f.data[k].Valid} {
			for i := 0; i < len(part); i += 37 {
				target := part[i].Targets[0]
				if spec.Prior == "" {
					plain++
					if target.Offset != 0 {
						t.Fatalf("job %s, without a prior, has the offset %v", spec.Train.Name, target.Offset)
					}
				} else if offset++; target.Offset != float32(prior(target.Sample)-bareOdds(t, in.Runner, part[i])[0]) {
					t.Fatalf("job %s, sample %d: offset %v, prior %v", spec.Train.Name, target.Sample, target.Offset, prior(target.Sample))
				}
			}
		}
	}
	if offset == 0 || plain == 0 {
		t.Fatalf("%d offsets and %d targets without were seen", offset, plain)
	}
	for _, j := range r.Jobs {
		if j.Name == "D2" && j.Spec.Prior != "" || j.Name == "D2~" && j.Spec.Prior == "" {
			t.Errorf("job %s has the prior %q", j.Name, j.Spec.Prior)
		}
	}
	// The fake adapter's own opinion has few values, one for each item and share of likes; the prior's shows in the sum.
	for p := 3; p <= 5; p++ {
		with, labels := oddsOf(t, dir, "short+prior", p)
		means, _ := oddsOf(t, dir, "means", p)
		own := map[float64]bool{}
		for i := range with {
			own[math.Round(1e6*(with[i]-means[i]))] = true
		}
		if len(own) > fakeItems*5 {
			t.Errorf("period %d: less the prior, %d scores have %d values", p, len(labels), len(own))
		}
	}
	if a, b := find(t, r, "short+prior", 4), find(t, r, "short", 4); a.AUC == b.AUC {
		t.Error("the prior changes nothing")
	}
}

// Of period 0, where nothing could be fitted before, samples get a prequential prior: the first the least informed, none by its own label.
func TestPriorOfTheFirstPeriod(t *testing.T) {
	t.Parallel()
	c, in := small(t, "strategies=[long+prior]", "periods.last=3") // the default prior, counts
	f := &fakeTrain{}
	in.Train = f.run
	run(t, t.TempDir(), c, in)
	first := in.Stream.Periods[0].All
	var all []int
	for i := first.Lo; i < first.Hi; i++ {
		all = append(all, i)
	}
	_, want, err := baseline.Counts{}.FitScore(in.Stream, all)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, s := range f.data[0].Train {
		if target := s.Targets[0]; int(target.Sample) < first.Hi {
			n++
			if target.Offset != float32(want[int(target.Sample)-first.Lo]-bareOdds(t, in.Runner, s)[0]) {
				t.Fatalf("sample %d: offset %v, want %v", target.Sample, target.Offset, want[target.Sample])
			}
		}
	}
	if n != in.Stream.Periods[0].Train.Len() {
		t.Errorf("%d of %d samples of period 0 seen", n, in.Stream.Periods[0].Train.Len())
	}
}
