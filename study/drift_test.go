package study_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"lsat/adapter"
	"lsat/dataset"
	"lsat/engine"
	"lsat/internal/logistic"
	"lsat/metric"
	"lsat/prompt"
	"lsat/study"
	"lsat/train"
)

const (
	tasteGroups  = 16 // of users
	tasteGenres  = 10 // of items
	tasteCells   = tasteGroups * tasteGenres
	driftUsers   = 64
	driftItems   = 60
	driftPeriods = 11
	driftSamples = 1600 // of a period
	driftHistory = 2
)

// world says how tastes are planted: the log-odds that a group of users likes a genre is a part that stays for good, with the standard deviation
// lasting, and one that drifts, with the standard deviation passing and the correlation kept between one period and the next.
type world struct{ lasting, passing, kept float64 }

// driftSet draws a stream of that world. Users come in turn, so that the events after everybody's history are the samples.
func driftSet(w world, seed uint64) *dataset.Set {
	rng := rand.New(rand.NewPCG(seed, 77))
	set := &dataset.Set{Name: "drift"}
	for u := range driftUsers {
		set.Users = append(set.Users, fmt.Sprintf("u%d", u))
	}
	for i := range driftItems {
		set.Items = append(set.Items, dataset.Item{ID: fmt.Sprintf("i%d", i), Title: fmt.Sprintf("Item %d", i)})
	}
	var lasting, passing [tasteCells]float64
	for c := range lasting {
		lasting[c], passing[c] = w.lasting*rng.NormFloat64(), w.passing*rng.NormFloat64()
	}
	const before = driftUsers * driftHistory
	for k := range before + driftPeriods*driftSamples {
		if k > before && (k-before)%driftSamples == 0 {
			for c := range passing {
				passing[c] = w.kept*passing[c] + math.Sqrt(1-w.kept*w.kept)*w.passing*rng.NormFloat64()
			}
		}
		u, i := k%driftUsers, rng.IntN(driftItems)
		c := tasteCell(int32(u), int32(i))
		rating := float32(3)
		if rng.Float64() < metric.Probability(lasting[c]+passing[c]) {
			rating = 5
		}
		set.Interactions = append(set.Interactions, dataset.Interaction{Time: int64(k) * 60, User: int32(u), Item: int32(i), Rating: rating})
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%v %d", w, seed))
	set.Hash = hex.EncodeToString(sum[:])
	return set
}

func tasteCell(user, item int32) int {
	return int(user)%tasteGroups*tasteGenres + int(item)%tasteGenres
}

// tasteRunner is a linear model with a weight for every group of users and genre: B A at that place.
type tasteRunner struct{}

func (tasteRunner) BackboneHash() string { return "taste-backbone" }
func (tasteRunner) Numerics() string     { return "taste-f64" }
func (tasteRunner) AdapterShapes() map[adapter.Key][2]int {
	return map[adapter.Key][2]int{{Layer: 0, Module: "q_proj"}: {1, tasteCells}}
}

func (tasteRunner) Score(_ context.Context, seqs []prompt.Sequence, _ prompt.Answers, a *adapter.Adapter, _ engine.Progress) ([][]float64, error) {
	out := make([][]float64, len(seqs))
	f := a.Layers[adapter.Key{Layer: 0, Module: "q_proj"}]
	for i, q := range seqs {
		out[i] = []float64{a.Scale() * float64(f.B.Data[0]) * float64(f.A.Data[tasteCell(q.Tokens[0], q.Tokens[2])])}
	}
	return out, nil
}

func (tasteRunner) Gradient(context.Context, []prompt.Sequence, prompt.Answers, *adapter.Adapter, float64, uint64, []float32) (float64, error) {
	return 0, fmt.Errorf("taste: its jobs are solved, not descended")
}

// solveTaste trains a taste runner's adapter to the optimum of a logistic regression that is drawn a little towards no taste.
func solveTaste(_ context.Context, spec train.Spec, r engine.Runner, d train.Data, _ *adapter.Adapter, _ string, _ func(train.Event)) (*train.Result, error) {
	a, err := adapter.New(spec.Adapter, r.AdapterShapes(), spec.Seed)
	if err != nil {
		return nil, err
	}
	var labels [tasteCells][]bool // no two cells share a weight, so each is a regression of its own
	seqs, err := prompt.Read(d.Train, 0, d.Train.Len())
	if err != nil {
		return nil, err
	}
	for _, q := range seqs {
		c := tasteCell(q.Tokens[0], q.Tokens[2])
		labels[c] = append(labels[c], q.Targets[0].Label)
	}
	flat := make([]float32, tasteCells+1)
	flat[tasteCells] = 1
	for c := range labels {
		ones := slices.Repeat([]float64{1}, len(labels[c]))
		w, err := logistic.Fit(ones, labels[c], []logistic.Penalty{{Strength: 1}})
		if err != nil {
			return nil, err
		}
		flat[c] = float32(w[0] / a.Scale())
	}
	return &train.Result{Spec: spec, Adapter: a, ValidAUC: .5, InitAUC: .5}, a.SetFlat(flat)
}

// gap is a mean difference of AUCs over worlds and test periods, and its standard error.
type gap struct{ mean, se float64 }

func (g gap) String() string { return fmt.Sprintf("%+.4f (standard error %.4f)", g.mean, g.se) }

// clear says that the first row is ahead by more than noise explains.
func (g gap) clear() bool { return g.mean > 3*g.se }

// gaps plants a world by several seeds, runs the study on each, and compares rows, named as "first - second".
func gaps(t *testing.T, w world, pairs ...[2]string) map[string]gap {
	t.Helper()
	c := config(t, fmt.Sprintf(`
data: {name: drift}
stream: {count: %d, history: %d, valid_fraction: 0.2}
backbone: taste
adapter: {rank: 1, modules: [q_proj]}
long_periods: 5
strategies: [short, long, lsat-ensemble-5, lsat-stack]
references: []
prior: means
`, driftPeriods, driftHistory))
	differences := map[string][]float64{}
	for seed := range uint64(3) {
		in := study.Inputs{Stream: stream(t, c, driftSet(w, seed)), Template: fakeTemplate{}, Runner: tasteRunner{}, Train: solveTaste}
		if first := in.Stream.Periods[0].All; first.Len() != driftSamples {
			t.Fatalf("a period of %d samples, so that tastes change within periods", first.Len())
		}
		r := run(t, t.TempDir(), c, in)
		for p := c.Periods.First; p <= c.Periods.Last; p++ {
			for _, pair := range pairs {
				name := pair[0] + " - " + pair[1]
				differences[name] = append(differences[name], find(t, r, pair[0], p).AUC.Value-find(t, r, pair[1], p).AUC.Value)
			}
		}
	}
	out := map[string]gap{}
	for name, d := range differences {
		var g gap
		for _, v := range d {
			g.mean += v / float64(len(d))
		}
		for _, v := range d {
			g.se += (v - g.mean) * (v - g.mean)
		}
		g.se = math.Sqrt(g.se / float64(len(d)-1) / float64(len(d)))
		out[name] = g
		t.Logf("%s: %v", name, g)
	}
	return out
}

// Where tastes have a part that stays and one that drifts, each adapter holds what the other cannot, and the merge is ahead of both.
func TestMergingWinsWhereSomeTastesStayAndSomeDrift(t *testing.T) {
	t.Parallel()
	for name, g := range gaps(t, world{lasting: .8, passing: .6, kept: .8},
		[2]string{"lsat-ensemble-5", "short"}, [2]string{"lsat-ensemble-5", "long"}, [2]string{"lsat-stack", "short"}, [2]string{"lsat-stack", "long"}) {
		if !g.clear() {
			t.Errorf("%s: %v", name, g)
		}
	}
}

// Where nothing drifts, the long-term adapter, which has seen five times as much, is ahead of the short-term one, and the merge loses little.
func TestLongWinsWhereTastesStay(t *testing.T) {
	t.Parallel()
	g := gaps(t, world{lasting: .8}, [2]string{"long", "short"}, [2]string{"lsat-ensemble-5", "short"}, [2]string{"long", "lsat-ensemble-5"})
	if !g["long - short"].clear() || !g["lsat-ensemble-5 - short"].clear() {
		t.Errorf("%v", g)
	}
	if lost := g["long - lsat-ensemble-5"].mean; lost > g["long - short"].mean/2 {
		t.Errorf("the merge loses %v, more than half of what the short-term adapter does", lost)
	}
}

// Where nothing stays, an adapter of the last period is ahead of one that was frozen long ago.
func TestShortWinsWhereTastesDriftAway(t *testing.T) {
	t.Parallel()
	g := gaps(t, world{passing: 1, kept: .8}, [2]string{"short", "long"}, [2]string{"lsat-ensemble-5", "long"})
	for name, d := range g {
		if !d.clear() {
			t.Errorf("%s: %v", name, d)
		}
	}
}
