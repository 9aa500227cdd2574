package study_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lsat/adapter"
	"lsat/engine"
	"lsat/metric"
	"lsat/period"
	"lsat/prompt"
	"lsat/study"
	"lsat/train"
)

func run(t testing.TB, dir string, c study.Config, in study.Inputs) *study.Results {
	t.Helper()
	if err := study.Run(context.Background(), dir, c, in); err != nil {
		t.Fatal(err)
	}
	r, err := study.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func find(t testing.TB, r *study.Results, name string, p int) study.Cell {
	t.Helper()
	for _, c := range r.Cells {
		if c.Strategy == name && c.Period == p {
			return c
		}
	}
	t.Fatalf("no cell of %s on period %d", name, p)
	return study.Cell{}
}

func TestStudyFillsEveryCell(t *testing.T) {
	t.Parallel()
	c, in := small(t)
	r := run(t, t.TempDir(), c, in)
	if !r.Run.Complete {
		t.Error("the run is not complete")
	}
	if want := 3 * (len(c.Strategies) + 3); len(r.Cells) != want {
		t.Errorf("%d cells, want %d", len(r.Cells), want)
	}
	// Every row but the one compared with: three periods and their mean.
	if want := 4 * (len(c.Strategies) + 2); len(r.Comparisons) != want {
		t.Errorf("%d comparisons, want %d", len(r.Comparisons), want)
	}
	for _, cmp := range r.Comparisons {
		if byUsers := cmp.UserSE > 0 && cmp.UserLow <= cmp.Difference && cmp.Difference <= cmp.UserHigh && cmp.UserP <= 1; byUsers != (cmp.Period < 0) &&
			cmp.Difference != 0 {
			t.Errorf("%s on %d: %+v", cmp.Strategy, cmp.Period, cmp)
		}
	}
	for _, cell := range r.Cells {
		if cell.Samples != in.Stream.Periods[cell.Period].All.Len() || cell.Update != cell.Period-1 {
			t.Errorf("%s on %d: %d samples, updated with %d", cell.Strategy, cell.Period, cell.Samples, cell.Update)
		}
		if cell.Strategy != "zero-shot" && cell.AUC.Value < .7 {
			t.Errorf("%s on %d learnt nothing: AUC %v", cell.Strategy, cell.Period, cell.AUC.Value)
		}
	}
	if a, b := find(t, r, "no-update", 3), find(t, r, "short", 3); a.AUC != b.AUC {
		t.Errorf("no-update %v and short %v differ at the first update", a.AUC, b.AUC)
	}
	if a, b := find(t, r, "no-update", 5), find(t, r, "short", 5); a.AUC == b.AUC {
		t.Error("no-update was updated")
	}
	if a, b := find(t, r, "long", 3), find(t, r, "full", 3); a.AUC != b.AUC {
		t.Errorf("long %v and full %v differ where both learn from D0-D2", a.AUC, b.AUC)
	}
}

func TestStrategiesShareTraining(t *testing.T) {
	t.Parallel()
	c, in := small(t)
	f := &fakeTrain{}
	in.Train = f.run
	r := run(t, t.TempDir(), c, in)
	// Short-term adapters of D2, D3, D4; the long-term one of D0-D2, which starts fine-tuning and is full retraining at D2; full retraining at
	// D3 and D4; fine-tuning with D3 and D4.
	if f.fresh != 8 || len(f.specs) != 8 || len(r.Jobs) != 8 {
		t.Errorf("%d jobs trained, %d asked for, %d noted; want 8", f.fresh, len(f.specs), len(r.Jobs))
	}
	keys := map[string]bool{}
	for _, s := range f.specs {
		keys[s.Key()] = true
	}
	if len(keys) != 8 {
		t.Errorf("%d different specs of 8", len(keys))
	}
}

func TestFinetuneStartsFromTheKeptAdapter(t *testing.T) {
	t.Parallel()
	c, in := small(t, "strategies=[finetune]", "seeds=[7]")
	f := &fakeTrain{}
	in.Train = f.run
	r := run(t, t.TempDir(), c, in)
	if len(r.Jobs) != 3 || r.Jobs[1].Spec.Init != r.Jobs[0].Key {
		t.Fatalf("jobs %+v", r.Jobs)
	}
	// Whatever became of the second, the third starts from what it kept.
	if r.Jobs[2].Spec.Init != r.Jobs[1].Kept {
		t.Errorf("third link starts from %s, the second kept %s", r.Jobs[2].Spec.Init, r.Jobs[1].Kept)
	}
	for k, want := range []int{-1, 2, 3} {
		if k == 0 {
			continue
		}
		var got []int
		for _, s := range f.data[k].Train {
			got = append(got, int(s.Targets[0].Sample))
		}
		p := in.Stream.Periods
		if lo, hi := p[want].Valid.Lo, p[want+1].Train.Hi; len(got) != hi-lo || got[0] != lo || got[len(got)-1] != hi-1 {
			t.Errorf("update with D%d trains on samples %d-%d, want D%d's validation part and D%d's train part, %d-%d", want+1, got[0], got[len(got)-1], want, want+1, lo, hi-1)
		}
	}
}

func TestFinetuneRollsBack(t *testing.T) {
	t.Parallel()
	c, in := small(t, "strategies=[finetune, long]")
	in.Train = (&fakeTrain{worse: true}).run
	r := run(t, t.TempDir(), c, in)
	first := r.Jobs[0].Key
	for _, j := range r.Jobs[1:] {
		if j.Kept != first || j.Spec.Init != first {
			t.Errorf("job %s starts from %s and keeps %s; want %s, since no update improved", j.Name, j.Spec.Init, j.Kept, first)
		}
	}
	for p := 3; p <= 5; p++ {
		if a, b := find(t, r, "finetune", p), find(t, r, "long", p); a.AUC != b.AUC {
			t.Errorf("period %d: rolled-back fine-tuning %v serves another adapter than the first, %v", p, a.AUC, b.AUC)
		}
	}
}

// The weight must be the best one on the validation part, found here by itself from the adapters that the study stored.
func TestEnsembleWeightIsBestOnValidation(t *testing.T) {
	t.Parallel()
	c, in := small(t)
	dir := t.TempDir()
	r := run(t, dir, c, in)
	byName := map[string]*adapter.Adapter{}
	for _, j := range r.Jobs {
		a, err := adapter.Read(filepath.Join(dir, "jobs", j.Key, "adapter"))
		if err != nil {
			t.Fatal(err)
		}
		byName[j.Name] = a
	}
	odds := func(a *adapter.Adapter, part period.Range) (z []float64, y []bool) {
		var list []int
		for i := part.Lo; i < part.Hi; i++ {
			list = append(list, i)
			y = append(y, in.Stream.Samples[i].Label)
		}
		seqs, err := in.Template.Sequences(in.Stream, list)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range seqs {
			z = append(z, fakeOdds(a, fakeFeatures(s)))
		}
		return z, y
	}
	differ := false
	for p, short := range map[int]string{3: "D2", 4: "D3", 5: "D4"} {
		part := in.Stream.Periods[p-1].Valid
		long, y := odds(byName["D0-D2"], part)
		newer, _ := odds(byName[short], part)
		best := math.Inf(-1)
		var at float64
		for k := range 11 {
			var mixed []float64
			for i := range long {
				w := float64(k) / 10
				q := w/(1+math.Exp(-long[i])) + (1-w)/(1+math.Exp(-newer[i]))
				mixed = append(mixed, q)
			}
			auc, err := metric.AUC(mixed, y)
			if err != nil {
				t.Fatal(err)
			}
			if w := float64(k) / 10; auc > best || auc == best && math.Abs(w-.5) < math.Abs(at-.5)-1e-9 {
				best, at = auc, w
			}
		}
		cell := find(t, r, "lsat-ensemble-3", p)
		if cell.Weight != at || math.Abs(cell.ValidAUC-best) > 1e-12 {
			t.Errorf("period %d: weight %v with validation AUC %v, want %v with %v", p, cell.Weight, cell.ValidAUC, at, best)
		}
		differ = differ || at != .5
	}
	if !differ {
		t.Error("the data make every weight equal, so that this test proves nothing")
	}
}

// Nothing that is trained or chosen may depend on what comes after the update: with all later ratings turned round, the jobs, the
// weights and the validation AUCs stay as they are.
func TestTheFutureDecidesNothing(t *testing.T) {
	t.Parallel()
	c, in := small(t, "periods.last=4", "strategies=[short, finetune, lsat-fusion, lsat-ensemble-3, lsat-stack, lsat-stack-gated, short+prior, lsat-stack+prior]")
	r := run(t, t.TempDir(), c, in)
	set := syntheticSet(1, 3200)
	first := in.Stream.Samples[in.Stream.Periods[4].All.Lo].Event
	for i := int(first); i < len(set.Interactions); i++ {
		set.Interactions[i].Rating = 8 - set.Interactions[i].Rating
	}
	in.Stream = stream(t, c, set)
	in.Train = (&fakeTrain{}).run
	other := run(t, t.TempDir(), c, in)
	for k, j := range r.Jobs {
		o := other.Jobs[k]
		if j.Key != o.Key || j.ValidAUC != o.ValidAUC {
			t.Errorf("job %s: key %.8s and validation AUC %v became %.8s and %v", j.Name, j.Key, j.ValidAUC, o.Key, o.ValidAUC)
		}
	}
	for _, cell := range r.Cells {
		o := find(t, other, cell.Strategy, cell.Period)
		if !slices.Equal(cell.Coefficients, o.Coefficients) {
			t.Errorf("%s: coefficients %v became %v", cell.Strategy, cell.Coefficients, o.Coefficients)
		}
		same := func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
		if !same(cell.Weight, o.Weight) || !same(cell.ValidAUC, o.ValidAUC) {
			t.Errorf("%s: weight %v, validation AUC %v became %v, %v", cell.Strategy, cell.Weight, cell.ValidAUC, o.Weight, o.ValidAUC)
		}
		if changed := cell.AUC.Value != o.AUC.Value; changed != (cell.Period == 4) {
			t.Errorf("%s on %d: with all labels of period 4 turned round, the test AUC %v became %v", cell.Strategy, cell.Period, cell.AUC.Value, o.AUC.Value)
		}
	}
}

func TestSeedsAreWholeStudies(t *testing.T) {
	t.Parallel()
	one, in := small(t, "strategies=[short, lsat-ensemble-3]", "seeds=[5]")
	a := run(t, t.TempDir(), one, in)
	two, in := small(t, "strategies=[short, lsat-ensemble-3]", "seeds=[4, 5]")
	b := run(t, t.TempDir(), two, in)
	if len(b.Jobs) != 2*len(a.Jobs) {
		t.Errorf("%d jobs with two seeds, %d with one", len(b.Jobs), len(a.Jobs))
	}
	for _, cell := range a.Cells {
		found := slices.ContainsFunc(b.Cells, func(o study.Cell) bool {
			return o.Seed == cell.Seed && o.Strategy == cell.Strategy && o.Period == cell.Period && o.AUC == cell.AUC
		})
		if !found {
			t.Errorf("%s on %d with seed %d has another result beside another seed", cell.Strategy, cell.Period, cell.Seed)
		}
	}
}

func TestCapsKeepWholeUsers(t *testing.T) {
	t.Parallel()
	c, in := small(t, "strategies=[short, full]", "max_train_per_period=100", "max_long_samples=150", "max_valid_per_period=40", "max_test_per_period=200")
	f := &fakeTrain{}
	in.Train = f.run
	r := run(t, t.TempDir(), c, in)
	for k, j := range r.Jobs {
		want := 100
		if strings.Contains(j.Name, "-") {
			want = 150
		}
		if j.Spec.Train.Samples != want || j.Spec.Valid.Samples != 40 {
			t.Errorf("job %s trains on %d and validates on %d samples, want %d and 40", j.Name, j.Spec.Train.Samples, j.Spec.Valid.Samples, want)
		}
		if j.Name != "D3" {
			continue
		}
		// All samples of a kept user are kept, but for one user at the edge.
		kept, all := map[int32]int{}, map[int32]int{}
		for _, s := range f.data[k].Train {
			kept[s.Tokens[0]]++
		}
		for i := in.Stream.Periods[3].Train.Lo; i < in.Stream.Periods[3].Train.Hi; i++ {
			all[in.Stream.User(i)]++
		}
		cut := 0
		for u, n := range kept {
			if n < all[u] {
				cut++
			}
		}
		if cut > 1 {
			t.Errorf("%d of %d users are cut", cut, len(kept))
		}
	}
	for _, cell := range r.Cells {
		if cell.Samples != 200 {
			t.Errorf("%s on %d is tested on %d samples, want 200, references too", cell.Strategy, cell.Period, cell.Samples)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	c := config(t, smallConfig+"limits: {full: {last: 4}, lsat-ensemble-full: {first: 4, last: 4}}\n")
	in := study.Inputs{Stream: stream(t, c, syntheticSet(1, 3200)), Template: fakeTemplate{}, Runner: &fakeRunner{}, Train: (&fakeTrain{}).run}
	r := run(t, t.TempDir(), c, in)
	got := map[string][]int{}
	for _, cell := range r.Cells {
		got[cell.Strategy] = append(got[cell.Strategy], cell.Period)
	}
	for name, want := range map[string][]int{"full": {3, 4}, "lsat-ensemble-full": {4}, "short": {3, 4, 5}} {
		if !slices.Equal(got[name], want) {
			t.Errorf("%s has periods %v, want %v", name, got[name], want)
		}
	}
	for _, cmp := range r.Comparisons {
		if cmp.Strategy == "full" && cmp.Period == -1 && cmp.Periods != 2 {
			t.Errorf("full is compared over %d periods, want the 2 that it has", cmp.Periods)
		}
	}
}

func TestUnusablePartsAreRefusedBeforeTraining(t *testing.T) {
	t.Parallel()
	c, in := small(t)
	p := in.Stream.Periods[3].Valid
	set := syntheticSet(1, 3200)
	for i := p.Lo; i < p.Hi; i++ {
		set.Interactions[in.Stream.Samples[i].Event].Rating = 5
	}
	f := &fakeTrain{}
	in.Stream, in.Train = stream(t, c, set), f.run
	err := study.Run(context.Background(), t.TempDir(), c, in)
	if !errors.Is(err, study.ErrUnusable) || !strings.Contains(err.Error(), "validation part of period 3") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v", err)
	}
	if len(f.specs) != 0 {
		t.Errorf("%d jobs were run before it was said", len(f.specs))
	}
}

func TestPlantedLeaksFailTheStudy(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(in *study.Inputs){
		"a training part reaches into the next period": func(in *study.Inputs) {
			in.Stream.Periods[2].Train.Hi = in.Stream.Periods[3].Train.Lo + 5
			in.Stream.Periods[2].All.Hi = in.Stream.Periods[3].Train.Lo + 5
		},
		"a validation part is of the next period": func(in *study.Inputs) {
			in.Stream.Periods[2].Valid = in.Stream.Periods[3].Valid
		},
		"the template makes tested samples targets": func(in *study.Inputs) {
			in.Template = leakyTemplate{sample: in.Stream.Periods[4].All.Lo}
		},
		"the template asks twice": func(in *study.Inputs) {
			in.Template = leakyTemplate{sample: -1}
		},
	} {
		c, in := small(t)
		plant(&in)
		err := study.Run(context.Background(), t.TempDir(), c, in)
		if !errors.Is(err, period.ErrLeak) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// leakyTemplate adds one more target to its first sequence: the given sample, or its own first sample again.
type leakyTemplate struct {
	fakeTemplate
	sample int
}

func (l leakyTemplate) Sequences(s *period.Stream, samples []int) ([]prompt.Sequence, error) {
	seqs, err := l.fakeTemplate.Sequences(s, samples)
	if err == nil {
		at := l.sample
		if at < 0 {
			at = samples[0]
		}
		seqs[0].Targets = append(seqs[0].Targets, prompt.Target{Position: 2, Label: s.Samples[at].Label, Sample: int32(at)})
	}
	return seqs, err
}

func TestSecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	c, in := small(t)
	dir := t.TempDir()
	var inner error
	tried := false
	in.Events = func(e study.Event) {
		if e.Task != "" && !tried {
			tried = true
			_, other := small(t)
			inner = study.Run(context.Background(), dir, c, other)
		}
	}
	run(t, dir, c, in)
	if !errors.Is(inner, study.ErrLocked) || !strings.Contains(inner.Error(), dir) || strings.Contains(inner.Error(), "\n") {
		t.Errorf("second study on the directory: error %v", inner)
	}
}

func TestErrorsOfTheEngineAndOfTrainingAreNamed(t *testing.T) {
	t.Parallel()
	fault := errors.New("no space left on device")
	c, in := small(t)
	in.Train = func(context.Context, train.Spec, engine.Runner, train.Data, *adapter.Adapter, string, func(train.Event)) (*train.Result, error) {
		return nil, fault
	}
	err := study.Run(context.Background(), t.TempDir(), c, in)
	if !errors.Is(err, fault) || !strings.Contains(err.Error(), "training D2") {
		t.Errorf("error %v", err)
	}
	c, in = small(t, "strategies=[zero-shot]")
	in.Runner = nanRunner{}
	err = study.Run(context.Background(), t.TempDir(), c, in)
	if err == nil || !strings.Contains(err.Error(), "not a number") {
		t.Errorf("a score that is not a number: error %v", err)
	}
}

type nanRunner struct{}

func (nanRunner) BackboneHash() string { return "nan" }
func (nanRunner) Numerics() string     { return "nan" }
func (nanRunner) AdapterShapes() map[adapter.Key][2]int {
	return (&fakeRunner{}).AdapterShapes()
}
func (nanRunner) Gradient(ctx context.Context, seqs []prompt.Sequence, ans prompt.Answers, a *adapter.Adapter, d float64, seed uint64, g []float32) (float64, error) {
	return (&fakeRunner{}).Gradient(ctx, seqs, ans, a, d, seed, g)
}
func (nanRunner) Score(ctx context.Context, seqs []prompt.Sequence, ans prompt.Answers, a *adapter.Adapter, p engine.Progress) ([][]float64, error) {
	out, err := (&fakeRunner{}).Score(ctx, seqs, ans, a, p)
	if err == nil {
		out[0][0] = math.NaN()
	}
	return out, err
}

func TestReadRefusesWhatIsNoRun(t *testing.T) {
	t.Parallel()
	if _, err := study.Read(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty directory: error %v", err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, study.ResultsFile), []byte("this is no database, but it is long enough"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := study.Read(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a file that is no database: error %v", err)
	}
	if _, in := small(t); study.Run(context.Background(), dir, config(t, smallConfig), in) == nil {
		t.Error("a study took a file that is no database for its results")
	}
}
