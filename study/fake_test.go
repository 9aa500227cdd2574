package study_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"lsat/adapter"
	"lsat/dataset"
	"lsat/engine"
	"lsat/internal/atomicfile"
	"lsat/metric"
	"lsat/period"
	"lsat/prompt"
	"lsat/report"
	"lsat/study"
	"lsat/train"
)

const (
	fakeItems = 30
	fakeUsers = 40
)

// syntheticSet is a stream in which users differ in taste and items in quality, both drifting, so that there is something to learn and
// something that goes stale.
func syntheticSet(seed uint64, n int) *dataset.Set {
	rng := rand.New(rand.NewPCG(seed, 1))
	set := &dataset.Set{Name: "synthetic"}
	for u := range fakeUsers {
		set.Users = append(set.Users, fmt.Sprintf("u%d", u))
	}
	for i := range fakeItems {
		set.Items = append(set.Items, dataset.Item{ID: fmt.Sprintf("i%d", i), Title: fmt.Sprintf("Item %d", i)})
	}
	for k := range n {
		u, i := rng.IntN(fakeUsers), rng.IntN(fakeItems)
		phase := float64(k)/float64(n)*1.2 + float64(i)
		z := 1.5*math.Sin(phase) + .8*math.Sin(float64(u)) + rng.NormFloat64()*.7
		rating := float32(3)
		if z > 0 {
			rating = 5
		}
		set.Interactions = append(set.Interactions, dataset.Interaction{Time: int64(k) * 60, User: int32(u), Item: int32(i), Rating: rating})
	}
	b, err := json.Marshal(set.Interactions)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(b)
	set.Hash = hex.EncodeToString(sum[:])
	return set
}

// fakeTemplate writes a sample as three tokens: its user, how much of the history was liked, and its item.
type fakeTemplate struct{}

func (fakeTemplate) Name() string            { return "fake" }
func (fakeTemplate) Hash() string            { return "fake-template" }
func (fakeTemplate) Answers() prompt.Answers { return prompt.Answers{Yes: 1, No: 0} }
func (fakeTemplate) Sequences(s *period.Stream, samples []int) ([]prompt.Sequence, error) {
	var out []prompt.Sequence
	for _, i := range samples {
		liked := 0
		for _, e := range s.History(i) {
			if s.Liked(e) {
				liked++
			}
		}
		out = append(out, prompt.Sequence{
			Tokens:  []int32{s.User(i), int32(liked), s.Item(i)},
			Targets: []prompt.Target{{Position: 2, Label: s.Samples[i].Label, Sample: int32(i)}},
		})
	}
	return out, nil
}

// fakeRunner is a logistic model whose weights are B A: features are an item's one-hot code and the share of liked history.
type fakeRunner struct{ calls int }

const fakeIn = fakeItems + 1

func (*fakeRunner) BackboneHash() string { return "fake-backbone" }
func (*fakeRunner) Numerics() string     { return "fake-f64" }
func (*fakeRunner) AdapterShapes() map[adapter.Key][2]int {
	return map[adapter.Key][2]int{{Layer: 0, Module: "q_proj"}: {1, fakeIn}}
}

func fakeFeatures(q prompt.Sequence) []float64 {
	x := make([]float64, fakeIn)
	x[q.Tokens[2]] = 1
	x[fakeItems] = float64(q.Tokens[1])/10 - .5
	return x
}

func fakeOdds(a *adapter.Adapter, x []float64) float64 {
	bare := .1 * math.Sin(x[fakeItems]*7) // the backbone's own opinion
	if a == nil {
		return bare
	}
	f := a.Layers[adapter.Key{Layer: 0, Module: "q_proj"}]
	z := 0.0
	for r := range f.A.Rows {
		dot := 0.0
		for i, v := range x {
			dot += float64(f.A.Data[r*f.A.Cols+i]) * v
		}
		z += dot * float64(f.B.Data[r])
	}
	return bare + a.Scale()*z
}

func (f *fakeRunner) Score(ctx context.Context, seqs []prompt.Sequence, _ prompt.Answers, a *adapter.Adapter, progress engine.Progress) ([][]float64, error) {
	f.calls++
	var out [][]float64
	for i, q := range seqs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out = append(out, []float64{fakeOdds(a, fakeFeatures(q))})
		if progress != nil && i%100 == 99 {
			progress(i+1, len(seqs))
		}
	}
	return out, nil
}

func (*fakeRunner) Gradient(_ context.Context, seqs []prompt.Sequence, _ prompt.Answers, a *adapter.Adapter, _ float64, _ uint64, grad []float32) (float64, error) {
	f := a.Layers[adapter.Key{Layer: 0, Module: "q_proj"}]
	loss := 0.0
	for _, q := range seqs {
		x := fakeFeatures(q)
		z := fakeOdds(a, x) + float64(q.Targets[0].Offset)
		y := 0.0
		if q.Targets[0].Label {
			y = 1
		}
		p := metric.Probability(z)
		loss += math.Log1p(math.Exp(z)) - y*z
		g := (p - y) * a.Scale()
		for r := range f.A.Rows {
			dot := 0.0
			for i, v := range x {
				grad[r*fakeIn+i] += float32(g * float64(f.B.Data[r]) * v)
				dot += float64(f.A.Data[r*fakeIn+i]) * v
			}
			grad[f.A.Rows*fakeIn+r] += float32(g * dot)
		}
	}
	return loss, nil
}

// written are a job's sequences.
type written struct{ Train, Valid []prompt.Sequence }

func write(d train.Data) (w written, err error) {
	if w.Train, err = prompt.Read(d.Train, 0, d.Train.Len()); err == nil {
		w.Valid, err = prompt.Read(d.Valid, 0, d.Valid.Len())
	}
	return w, err
}

// fakeTrain is plain gradient descent, stored like a job of package train, and read back when it is finished. It remembers what it was
// asked for.
type fakeTrain struct {
	specs []train.Spec
	data  []written
	fresh int
	// worse makes the jobs that start from another adapter end with a lower validation AUC than they began with.
	worse bool
}

func (f *fakeTrain) run(ctx context.Context, spec train.Spec, r engine.Runner, d train.Data, init *adapter.Adapter, dir string, events func(train.Event)) (*train.Result, error) {
	w, err := write(d)
	if err != nil {
		return nil, err
	}
	f.specs, f.data = append(f.specs, spec), append(f.data, w)
	if b, err := os.ReadFile(filepath.Join(dir, "job.json")); err == nil {
		var res train.Result
		if err := json.Unmarshal(b, &res); err != nil {
			return nil, err
		}
		res.Adapter, err = adapter.Read(filepath.Join(dir, "adapter"))
		return &res, err
	}
	f.fresh++
	return f.descend(ctx, spec, r, w, d.Answers, init, dir, events)
}

func (f *fakeTrain) descend(ctx context.Context, spec train.Spec, r engine.Runner, d written, answers prompt.Answers, init *adapter.Adapter, dir string, events func(train.Event)) (*train.Result, error) {
	var a *adapter.Adapter
	if init != nil {
		a = init.Clone()
	} else {
		var err error
		if a, err = adapter.New(spec.Adapter, r.AdapterShapes(), spec.Seed); err != nil {
			return nil, err
		}
	}
	res := &train.Result{Spec: spec}
	auc := func() float64 {
		scores, err := r.Score(ctx, d.Valid, answers, a, nil)
		if err != nil {
			return math.NaN()
		}
		var z []float64
		var y []bool
		for i, s := range scores {
			z, y = append(z, s[0]+float64(d.Valid[i].Targets[0].Offset)), append(y, d.Valid[i].Targets[0].Label)
		}
		v, err := metric.AUC(z, y)
		if err != nil {
			return math.NaN()
		}
		return v
	}
	res.InitAUC = auc()
	const steps = 20
	for step := range steps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		grad := make([]float32, a.NumParameters())
		if _, err := r.Gradient(ctx, d.Train, answers, a, 0, 0, grad); err != nil {
			return nil, err
		}
		flat := a.Flatten()
		for i := range flat {
			flat[i] -= 2 * grad[i] / float32(len(d.Train))
		}
		if err := a.SetFlat(flat); err != nil {
			return nil, err
		}
		events(train.Event{Step: step + 1, Steps: steps, Targets: (step + 1) * len(d.Train) / steps, TotalTargets: len(d.Train)})
	}
	res.ValidAUC, res.BestStep, res.Steps, res.Adapter = auc(), steps, steps, a
	if f.worse && init != nil {
		res.ValidAUC = res.InitAUC - .01
	}
	if err := adapter.Replace(filepath.Join(dir, "adapter"), a); err != nil {
		return nil, err
	}
	b, err := json.Marshal(res)
	if err != nil {
		return nil, err
	}
	return res, atomicfile.Write(filepath.Join(dir, "job.json"), 0o644, func(w io.Writer) error { _, err := w.Write(b); return err })
}

// smallConfig is a study of less than a second: six periods, three of them tested.
const smallConfig = `
data: {name: synthetic}
stream: {count: 6, history: 4}
backbone: fake
adapter: {rank: 2, modules: [q_proj]}
long_periods: 3
periods: {first: 3, last: 5}
strategies: [no-update, short, long, finetune, full, lsat-fusion, lsat-fusion-peft, lsat-fusion-exact, lsat-ensemble-full, lsat-ensemble-3, lsat-stack, zero-shot]
`

func config(t testing.TB, text string, sets ...string) study.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "study.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := study.Load(path, nil, sets)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func stream(t testing.TB, c study.Config, set *dataset.Set) *period.Stream {
	t.Helper()
	o, err := c.StreamOptions()
	if err != nil {
		t.Fatal(err)
	}
	s, err := period.New(set, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// small is the small study with everything open.
func small(t testing.TB, sets ...string) (study.Config, study.Inputs) {
	t.Helper()
	c := config(t, smallConfig, sets...)
	return c, study.Inputs{Stream: stream(t, c, syntheticSet(1, 3200)), Template: fakeTemplate{}, Runner: &fakeRunner{}, Train: (&fakeTrain{}).run}
}

// tables runs the reports of a run directory and returns results.csv.
func tables(t testing.TB, dir string) string {
	t.Helper()
	if _, err := report.Write(dir); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "results.csv"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// refused wants each line, added to a good configuration, to be an error that names its key.
func refused(t *testing.T, lines ...string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "study.yaml")
	for _, line := range lines {
		if err := os.WriteFile(path, []byte(smallConfig+line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		var key *study.KeyError
		if _, err := study.Load(path, nil, nil); !errors.As(err, &key) {
			t.Errorf("%s: %v", line, err)
		}
	}
}
