package engine

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"lsat/adapter"
	"lsat/backbone"
	"lsat/device"
	"lsat/prompt"
)

// backends opens every compute backend of this machine: one suite runs over all of them.
func backends(t *testing.T) map[string]compute.Backend {
	t.Helper()
	out := map[string]compute.Backend{}
	for _, name := range []string{"go", "xla:cpu"} {
		b, _, _, err := device.Open(name)
		if err != nil {
			t.Logf("%s is not tested here: %v", name, err)
			continue
		}
		out[name] = b
	}
	if len(out) == 0 {
		t.Fatal("no compute backend at all: the Go backend must always be there")
	}
	return out
}

func newEngine(t *testing.T, m *backbone.Model, b compute.Backend, opts Options) *Engine {
	t.Helper()
	e, err := New(context.Background(), m, b, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

var answers = prompt.Answers{Yes: 7, No: 11}

func allModules() adapter.Config {
	return adapter.Config{Rank: 3, Alpha: 6, Modules: adapter.Modules()}
}

// The written-out reverse pass must equal the gradient that GoMLX derives from the forward pass alone. It derives it on the Go backend,
// for all: XLA takes minutes to compile such a program.
func TestGradientsEqualDerivedOnes(t *testing.T) {
	all := backends(t)
	for family, cfg := range smallConfigs() {
		m := randomModel(cfg, 5)
		opts := Options{DType: "f32", RowTokens: 64, BatchTokens: 256}
		seqs := randomSequences(7, cfg.Vocab, 3)
		plain := newEngine(t, m, all["go"], opts)
		a, err := randomAdapter(plain.AdapterShapes(), allModules(), 9)
		if err != nil {
			t.Fatal(err)
		}
		wantLoss, want := derivedGradient(t, plain, a, seqs)
		for name, b := range all {
			t.Run(name+"/"+family, func(t *testing.T) {
				loss, got := gradient(t, newEngine(t, m, b, opts), seqs, a)
				sameGradient(t, "the derived program", loss, wantLoss, got, want)
			})
		}
	}
}

// sameGradient holds a loss and a gradient to those of another way to compute them.
func sameGradient(t *testing.T, other string, loss, wantLoss float64, grad, want []float32) {
	t.Helper()
	if math.Abs(loss-wantLoss) > 1e-4*math.Abs(wantLoss) {
		t.Errorf("loss %v, by %s %v", loss, other, wantLoss)
	}
	var worst, size float64
	for i := range want {
		worst = max(worst, math.Abs(float64(grad[i]-want[i])))
		size = max(size, math.Abs(float64(want[i])))
	}
	if size == 0 || worst > 1e-4*size {
		t.Errorf("gradients differ from those by %s by up to %g, the largest is %g", other, worst, size)
	}
}

// sameScores holds the log-odds of all targets to those of another way to compute them.
func sameScores(t *testing.T, other string, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d log-odds, by %s %d", len(got), other, len(want))
	}
	for i, v := range got {
		if !(math.Abs(v-want[i]) <= 1e-4*(1+math.Abs(want[i]))) {
			t.Fatalf("target %d has log-odds %v, by %s %v", i, v, other, want[i])
		}
	}
}

func derivedGradient(t *testing.T, e *Engine, a *adapter.Adapter, seqs []prompt.Sequence) (float64, []float32) {
	t.Helper()
	type shape struct {
		rows, time int
		band       backbone.Band
	}
	programs := map[shape]*graph.Exec{}
	cfg := e.model.Config
	j, err := e.start(seqs, answers, a, true, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	weights := e.replicas[0].weights
	var frozen, factors []any
	for n := range cfg.Layers {
		frozen = append(frozen, weights.layers[n].tensors...)
		factors = append(factors, j.factors[0][n]...)
	}
	build := func(s shape, args []*graph.Node) []*graph.Node {
		next := func() *graph.Node {
			n := args[0]
			args = args[1:]
			return n
		}
		tr := &backbone.Transformer{Config: cfg, DType: e.dtype, Batch: s.rows, Time: s.time, Band: s.band}
		layers := make([]backbone.Layer, cfg.Layers)
		for n := range layers {
			layers[n] = backbone.Layer{Weights: map[string]*graph.Node{}, Adapter: map[string]backbone.LoRA{}, Scale: a.Scale()}
			for _, name := range strings.Fields(weights.layers[n].names) {
				layers[n].Weights[name] = next()
			}
		}
		wrt := args[:len(factors)]
		for n := range layers {
			for _, m := range strings.Fields(j.layers[n]) {
				layers[n].Adapter[m] = backbone.LoRA{A: next(), B: next()}
			}
		}
		embed, norm, heads, targets, tokens := next(), next(), next(), next(), next()
		rows := backbone.Rows{Positions: next(), Segments: next(), Ends: next(), Steps: next(), Lowest: next()}
		if s.band.Units > 0 {
			rows.Looks = next()
		}
		x := tr.Embed(embed, tokens)
		for n := range layers {
			if n == cfg.Layers-1 {
				layers[n].Targets = targets
			}
			x, _ = tr.Forward(&layers[n], tr.Sight(rows, cfg.Kind(n)), x)
		}
		logOdds, _ := tr.Answer(norm, x, heads)
		labels, weights, offsets := next(), next(), next()
		p := graph.Sigmoid(graph.Add(logOdds, offsets))
		ce := graph.Neg(graph.Add(graph.Mul(labels, graph.Log(p)), graph.Mul(graph.OneMinus(labels), graph.Log(graph.OneMinus(p)))))
		loss := graph.ReduceAllSum(graph.Mul(ce, weights))
		return append([]*graph.Node{loss}, graph.Gradient(loss, wrt...)...)
	}
	loss, sum := 0.0, make([]float32, a.NumParameters())
	for _, b := range pack(seqs, e.packing(false, false)) {
		args := slices.Concat(frozen, factors, []any{weights.embed, weights.norm, tensors.FromFlatDataAndDimensions(j.heads, 2, len(j.heads)/2),
			tensors.FromFlatDataAndDimensions(b.targets, len(b.targets))})
		for _, v := range [][]int32{b.tokens, b.positions, b.segments, b.ends, b.steps, b.lowest} {
			args = append(args, tensors.FromFlatDataAndDimensions(v, b.rows, b.time))
		}
		if b.band.Units > 0 {
			args = append(args, tensors.FromFlatDataAndDimensions(b.looks, b.rows, b.time/b.band.Block, b.band.Units))
		}
		for _, v := range [][]float32{b.labels, b.weights, b.offsets} {
			args = append(args, tensors.FromFlatDataAndDimensions(v, len(v)))
		}
		s := shape{b.rows, b.time, b.band}
		exec, ok := programs[s]
		if !ok {
			if exec, err = graph.NewExec(e.backend, func(args []*graph.Node) []*graph.Node { return build(s, args) }); err != nil {
				t.Fatal(err)
			}
			programs[s] = exec
		}
		res, err := exec.Call(args...)
		if err != nil {
			t.Fatal(err)
		}
		loss += float64(tensors.ToScalar[float32](res[0]))
		at := 0
		for _, r := range res[1:] {
			for _, v := range tensors.MustCopyFlatData[float32](r) {
				sum[at] += v
				at++
			}
		}
	}
	return loss, sum
}

// How sequences are packed must not show in their scores, and neither what stands beside them.
func TestPackingDoesNotChangeScores(t *testing.T) {
	for name, b := range backends(t) {
		for family, cfg := range smallConfigs() {
			t.Run(name+"/"+family, func(t *testing.T) {
				m := randomModel(cfg, 5)
				e := newEngine(t, m, b, Options{DType: "f32", RowTokens: 64, BatchTokens: 256})
				wide := newEngine(t, m, b, Options{DType: "f32", RowTokens: 256, BatchTokens: 512})
				seqs := randomSequences(9, cfg.Vocab, 4)
				together, err := wide.Score(context.Background(), seqs, answers, nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				for i := range seqs {
					alone, err := e.Score(context.Background(), seqs[i:i+1], answers, nil, nil)
					if err != nil {
						t.Fatal(err)
					}
					for k := range alone[0] {
						if d := math.Abs(alone[0][k] - together[i][k]); d > 1e-4 {
							t.Fatalf("sequence %d target %d: alone %v, packed %v", i, k, alone[0][k], together[i][k])
						}
					}
				}
			})
		}
	}
}

// A target sees its window and the header, nothing earlier and nothing later.
func TestWindowHidesWhatIsOutsideIt(t *testing.T) {
	cfg := smallConfigs()["llama"]
	cfg.Layers = 1 // with more layers, what lies outside is still felt through the tokens in between
	for name, b := range backends(t) {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, randomModel(cfg, 5), b, Options{DType: "f32", RowTokens: 64, BatchTokens: 64})
			seq := prompt.Sequence{Window: 2}
			for k := range 30 {
				seq.Tokens = append(seq.Tokens, int32(k))
				seq.Steps = append(seq.Steps, int32(k/5)-1) // five header tokens, then items of five
			}
			seq.Targets = []prompt.Target{{Position: 24}} // step 3 sees steps 1, 2, 3
			score := func(change int) float64 {
				s := seq
				s.Tokens = append([]int32(nil), seq.Tokens...)
				if change >= 0 {
					s.Tokens[change] = 42
				}
				r, err := e.Score(context.Background(), []prompt.Sequence{s}, answers, nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				return r[0][0]
			}
			base := score(-1)
			for k := range 30 {
				sees := k < 5 || (k >= 10 && k <= 24)
				if changed := math.Abs(score(k)-base) > 1e-6; changed != sees {
					t.Errorf("token %d (step %d): changing it moves the score: %v, want %v", k, seq.Steps[k], changed, sees)
				}
			}
		})
	}
}

// An adapter whose B is zero changes nothing, and dropout leaves gradients right on average but different in each draw.
func TestAdapterAndDropout(t *testing.T) {
	cfg := smallConfigs()["llama"]
	for name, b := range backends(t) {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			e := newEngine(t, randomModel(cfg, 5), b, Options{DType: "f32", RowTokens: 64, BatchTokens: 256})
			seqs := randomSequences(5, cfg.Vocab, 4)
			fresh, err := adapter.New(adapter.Config{}, e.AdapterShapes(), 1)
			if err != nil {
				t.Fatal(err)
			}
			bare, err := e.Score(ctx, seqs, answers, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			with, err := e.Score(ctx, seqs, answers, fresh, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := range bare {
				for k := range bare[i] {
					if math.Abs(bare[i][k]-with[i][k]) > 1e-6 {
						t.Fatalf("a fresh adapter moves a score from %v to %v", bare[i][k], with[i][k])
					}
				}
			}
			a, err := randomAdapter(e.AdapterShapes(), adapter.Config{}, 2)
			if err != nil {
				t.Fatal(err)
			}
			loss := func(rate float64, seed uint64) float64 {
				l, err := e.Gradient(ctx, seqs, answers, a, rate, seed, make([]float32, a.NumParameters()))
				if err != nil {
					t.Fatal(err)
				}
				return l
			}
			if loss(.3, 1) != loss(.3, 1) {
				t.Error("the same seed drops differently")
			}
			if loss(.3, 1) == loss(.3, 2) {
				t.Error("two seeds drop alike")
			}
			if loss(.3, 0) != loss(0, 5) {
				t.Error("seed 0 must mean no dropout")
			}
		})
	}
}

func TestBadInput(t *testing.T) {
	cfg := smallConfigs()["llama"]
	cfg.MaxSeq = 32
	b, _, _, err := device.Open("go")
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, randomModel(cfg, 5), b, Options{DType: "f32", RowTokens: 64, BatchTokens: 64})
	ctx := context.Background()
	ok := prompt.Sequence{Tokens: []int32{1, 2, 3}, Targets: []prompt.Target{{Position: 2}}}
	long := prompt.Sequence{Tokens: make([]int32, 33)}
	cases := map[string]func() error{
		"token outside the vocabulary": func() error {
			_, err := e.Score(ctx, []prompt.Sequence{{Tokens: []int32{50}}}, answers, nil, nil)
			return err
		},
		"target outside": func() error {
			_, err := e.Score(ctx, []prompt.Sequence{{Tokens: []int32{1}, Targets: []prompt.Target{{Position: 1}}}}, answers, nil, nil)
			return err
		},
		"answer outside": func() error {
			_, err := e.Score(ctx, []prompt.Sequence{ok}, prompt.Answers{Yes: 50, No: 1}, nil, nil)
			return err
		},
		"empty": func() error {
			_, err := e.Score(ctx, []prompt.Sequence{{}}, answers, nil, nil)
			return err
		},
		"adapter of another model": func() error {
			a, err := adapter.New(adapter.Config{}, map[adapter.Key][2]int{{Layer: 0, Module: "q_proj"}: {3, 3}, {Layer: 0, Module: "v_proj"}: {3, 3}}, 1)
			if err != nil {
				return nil
			}
			_, err = e.Score(ctx, []prompt.Sequence{ok}, answers, a, nil)
			return err
		},
		"cancelled": func() error {
			c, cancel := context.WithCancel(ctx)
			cancel()
			_, err := e.Score(c, []prompt.Sequence{ok}, answers, nil, nil)
			return err
		},
	}
	for name, f := range cases {
		if f() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := e.Score(ctx, []prompt.Sequence{long}, answers, nil, nil); !errors.Is(err, ErrTooLong) {
		t.Errorf("33 tokens in a model of 32: %v", err)
	}
	if _, err := New(ctx, e.model, b, Options{DType: "int3"}); err == nil {
		t.Error("an unknown dtype is taken")
	}
}
