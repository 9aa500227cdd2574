package train

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/compute"

	"lsat/adapter"
	"lsat/backbone"
	"lsat/catalog"
	"lsat/device"
	"lsat/engine"
	"lsat/prompt"
)

// golden is a run of PEFT and torch.optim.AdamW, written by scripts/golden/train.py.
type golden struct {
	SHA256       string  `json:"sha256"`
	Steps        int     `json:"steps"`
	LearningRate float64 `json:"learning_rate"`
	Yes          int32   `json:"yes"`
	No           int32   `json:"no"`
	WeightDecay  float64 `json:"weight_decay"`
	Clip         *float64
	Accumulate   int
	Losses       []float64
	Batches      [][]struct {
		Tokens  []int32
		Targets []int32
		Labels  []int
	}
	Final map[string]struct{ Norm, Probe float64 }
}

func readGolden(t *testing.T, path string) golden {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Losses) != g.Steps || len(g.Batches) == 0 {
		t.Fatalf("%s is not a golden run", path)
	}
	return g
}

func (g golden) sequences(batch int) []prompt.Sequence {
	var out []prompt.Sequence
	for _, s := range g.Batches[batch] {
		seq := prompt.Sequence{Tokens: s.Tokens}
		for i, at := range s.Targets {
			seq.Targets = append(seq.Targets, prompt.Target{Position: at, Label: s.Labels[i] == 1})
		}
		out = append(out, seq)
	}
	return out
}

// follow repeats the golden run from the given adapter, which it changes, and returns the losses.
func (g golden) follow(t *testing.T, e engine.Runner, a *adapter.Adapter) []float64 {
	t.Helper()
	h := Hyper{LearningRate: g.LearningRate, WeightDecay: g.WeightDecay, Clip: -1}.WithDefaults()
	if g.Clip != nil {
		h.Clip = *g.Clip
	}
	s := newState(a.Flatten())
	var losses []float64
	for step := range g.Steps {
		var seqs []prompt.Sequence
		for k := range g.Accumulate {
			seqs = append(seqs, g.sequences((step*g.Accumulate+k)%len(g.Batches))...)
		}
		targets := 0
		for _, q := range seqs {
			targets += len(q.Targets)
		}
		grad := make([]float32, len(s.params))
		loss, err := e.Gradient(context.Background(), seqs, prompt.Answers{Yes: g.Yes, No: g.No}, a, 0, 0, grad)
		if err != nil {
			t.Fatal(err)
		}
		for i := range grad {
			grad[i] /= float32(targets)
		}
		h.step(&s, grad, g.Steps)
		s.step++
		if err := a.SetFlat(s.params); err != nil {
			t.Fatal(err)
		}
		losses = append(losses, loss/float64(targets))
	}
	return losses
}

func compareLosses(t *testing.T, got, want []float64, bound float64) {
	t.Helper()
	for i := range want {
		if d := math.Abs(got[i]-want[i]) / want[i]; d > bound {
			t.Errorf("step %d: loss %.6f, PEFT has %.6f: off by %.2g", i+1, got[i], want[i], d)
		}
	}
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab += float64(a[i]) * float64(b[i])
		aa += float64(a[i]) * float64(a[i])
		bb += float64(b[i]) * float64(b[i])
	}
	return ab / math.Sqrt(aa*bb)
}

func openBackends(t *testing.T) map[string]compute.Backend {
	t.Helper()
	out := map[string]compute.Backend{}
	for _, name := range []string{device.Go, device.XLACPU} {
		b, _, _, err := device.Open(name)
		if err != nil {
			t.Logf("%s is not tested here: %v", name, err)
			continue
		}
		out[name] = b
	}
	if out[device.Go] == nil {
		t.Fatal("the Go backend must always be there")
	}
	return out
}

// Twenty steps from PEFT's initial adapter must follow PEFT's losses and end at its adapter.
func TestTwentyStepsAgreeWithPEFT(t *testing.T) {
	ctx := context.Background()
	for name, b := range openBackends(t) {
		for _, family := range []string{"llama", "qwen3"} {
			m, err := backbone.Load(ctx, filepath.Join("..", "backbone", "testdata", family), backbone.Options{NoTokenizer: true})
			if err != nil {
				t.Fatal(err)
			}
			e, err := engine.New(ctx, m, b, engine.Options{DType: "f32", RowTokens: 64, BatchTokens: 256})
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join("testdata", "peft20", family)
			for _, variant := range []string{"plain", "clip", "accumulate"} {
				t.Run(fmt.Sprintf("%s/%s/%s", name, family, variant), func(t *testing.T) {
					g := readGolden(t, filepath.Join(dir, variant+".json"))
					a, err := adapter.Read(filepath.Join(dir, "initial"))
					if err != nil {
						t.Fatal(err)
					}
					first := a.Flatten()
					compareLosses(t, g.follow(t, e, a), g.Losses, 1e-3)
					want, err := adapter.Read(filepath.Join(dir, "final-"+variant))
					if err != nil {
						t.Fatal(err)
					}
					got, goal := a.Flatten(), want.Flatten()
					if c := cosine(got, goal); c < .999 {
						t.Errorf("adapters' cosine is %v", c)
					}
					// The way from the start is a harder measure than the place: most of A never moves far.
					for i := range first {
						got[i] -= first[i]
						goal[i] -= first[i]
					}
					if c := cosine(got, goal); c < .999 {
						t.Errorf("the changes' cosine is %v", c)
					}
				})
			}
			e.Close()
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// The same for the real SmolLM2-135M, against the norm and one projection of every factor.
func TestTwentyStepsOfSmolLM2AgreeWithPEFT(t *testing.T) {
	found, err := catalog.Find("smollm2-135m-instruct", "")
	if err != nil {
		t.Skipf("SKIPPED: needs the model: lsat pull smollm2-135m-instruct (%v)", err)
	}
	b, _, _, err := device.Open(device.XLACPU)
	if err != nil {
		t.Skipf("SKIPPED: twenty steps of a real model take minutes without XLA: %v", err)
	}
	ctx := context.Background()
	m, err := backbone.Load(ctx, found.Path, backbone.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(ctx, m, b, engine.Options{DType: "f32", RowTokens: 128, BatchTokens: 256})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	g := readGolden(t, filepath.Join("testdata", "peft20", "smollm2.json"))
	a, err := adapter.New(adapter.Config{}, e.AdapterShapes(), 1)
	if err != nil {
		t.Fatal(err)
	}
	module := map[string]int{"q_proj": 0, "v_proj": 1}
	for k, f := range a.Layers { // the golden run's starting point is a formula
		for i := range f.A.Rows {
			for j := range f.A.Cols {
				x := float64(1+31*k.Layer+17*module[k.Module]+7*i*j+3*i) + float64(j)
				f.A.Data[i*f.A.Cols+j] = float32(math.Sin(x) / math.Sqrt(float64(f.A.Cols)))
			}
		}
	}
	compareLosses(t, g.follow(t, e, a), g.Losses, 1e-3)
	for k, f := range a.Layers {
		for name, x := range map[string]adapter.Matrix{"lora_A": f.A, "lora_B": f.B} {
			want, ok := g.Final[fmt.Sprintf("layers.%d.%s.%s", k.Layer, k.Module, name)]
			if !ok {
				t.Fatalf("no golden for %s %s", k, name)
			}
			var square, probe float64
			for i, v := range x.Data {
				square += float64(v) * float64(v)
				probe += float64(v) * math.Sin(float64(i+1))
			}
			if d := math.Abs(math.Sqrt(square)-want.Norm) / want.Norm; d > 1e-2 {
				t.Errorf("%s %s: norm %v, PEFT has %v", k, name, math.Sqrt(square), want.Norm)
			}
			if d := math.Abs(probe - want.Probe); d > 2e-2*want.Norm {
				t.Errorf("%s %s: probe %v, PEFT has %v", k, name, probe, want.Probe)
			}
		}
	}
}
