package backbone_test

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/compute"

	"lsat/backbone"
	"lsat/device"
	"lsat/engine"
	"lsat/prompt"
)

// golden is a file that scripts/golden/backbones.py wrote.
type golden struct {
	SHA256    string     `json:"sha256"`
	Pairs     [][2]int32 `json:"pairs"`
	Sequences []struct {
		Text    string      `json:"text"`
		Tokens  []int32     `json:"tokens"`
		Targets []int32     `json:"targets"`
		LogOdds [][]float64 `json:"log_odds"`
	} `json:"sequences"`
}

func readGolden(t *testing.T, path string) golden {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if len(g.Sequences) == 0 || len(g.Pairs) == 0 {
		t.Fatalf("%s holds nothing to compare with", path)
	}
	return g
}

func (g golden) sequences() []prompt.Sequence {
	var out []prompt.Sequence
	for _, s := range g.Sequences {
		seq := prompt.Sequence{Tokens: s.Tokens}
		for _, at := range s.Targets {
			seq.Targets = append(seq.Targets, prompt.Target{Position: at})
		}
		out = append(out, seq)
	}
	return out
}

// worst scores the golden's sequences and returns the largest difference of a log-odds.
func (g golden) worst(t *testing.T, m *backbone.Model, b compute.Backend, dtype string) float64 {
	t.Helper()
	opts := engine.Options{DType: dtype}
	// Rows that fit, so that a single program is compiled.
	longest := 0
	for _, s := range g.Sequences {
		longest = max(longest, len(s.Tokens))
	}
	for opts.RowTokens = 64; opts.RowTokens < longest; {
		opts.RowTokens *= 2
	}
	opts.BatchTokens = opts.RowTokens
	e, err := engine.New(context.Background(), m, b, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	worst := 0.0
	for p, pair := range g.Pairs {
		got, err := e.Score(context.Background(), g.sequences(), prompt.Answers{Yes: pair[0], No: pair[1]}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range g.Sequences {
			for k, want := range s.LogOdds[p] {
				d := math.Abs(got[i][k] - want)
				if math.IsNaN(d) {
					d = math.Inf(1)
				}
				if d > 1e-3 && dtype == "f32" {
					t.Logf("pair %v, sequence %d of %d tokens, target %d: %v, Transformers %v", pair, i, len(s.Tokens), s.Targets[k], got[i][k], want)
				}
				worst = max(worst, d)
			}
		}
	}
	return worst
}

func openBackends(t *testing.T) map[string]compute.Backend {
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
	return out
}

// Every family's forward pass gives Transformers' log-odds, on every backend, from safetensors and from GGUF.
func TestFamiliesAgreeWithTransformers(t *testing.T) {
	for name, b := range openBackends(t) {
		families := families
		if name != "go" {
			families = []string{"llama", "gemma3"} // compiling costs seconds a family; the graph is the same, and these have most of its parts
		}
		for _, family := range families {
			g := readGolden(t, filepath.Join("testdata", family, "golden.json"))
			paths := []string{filepath.Join("testdata", family)}
			if file := filepath.Join("testdata", family+".gguf"); exists(file) && family != "gemma3" && name == "go" { // Gemma's query scale is not in GGUF files
				paths = append(paths, file)
			}
			for _, path := range paths {
				t.Run(name+"/"+filepath.Base(path), func(t *testing.T) {
					m := load(t, path)
					if d := g.worst(t, m, b, "f32"); !(d <= 1e-3) {
						t.Errorf("float32 log-odds differ by up to %g, want 1e-3", d)
					} else {
						t.Logf("float32 log-odds differ by up to %.2g", d)
					}
				})
			}
		}
	}
}

func TestTinyStoriesAgreesWithTransformers(t *testing.T) {
	dir := filepath.Join("..", "..", "shared", "models", "tinystories-656k")
	if !exists(dir) {
		t.Skipf("%s is not here", dir)
	}
	g := readGolden(t, filepath.Join("testdata", "tinystories-656k.json"))
	m, err := backbone.Load(context.Background(), dir, backbone.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	for name, b := range openBackends(t) {
		if d := g.worst(t, m, b, "f32"); !(d <= 1e-3) {
			t.Errorf("%s: float32 log-odds differ by up to %g, want 1e-3", name, d)
		}
	}
}

// bf16Bound is how far bfloat16 log-odds of SmolLM2 may be from Transformers' float32 ones: bfloat16 has 8 significant bits, and errors
// add up over 30 layers. Measured on XLA's CPU backend: .15.
const bf16Bound = .3

func TestSmolLM2AgreesWithTransformers(t *testing.T) {
	path := pulled(t, "smollm2-135m-instruct")
	g := readGolden(t, filepath.Join("testdata", "smollm2.json"))
	m := load(t, path)
	if m.Hash != g.SHA256 {
		t.Fatalf("%s has SHA-256 %s, the golden file is of %s", path, m.Hash, g.SHA256)
	}
	for _, s := range g.Sequences {
		if got := m.Tokenizer.(interface{ EncodeSpecial(string) []int32 }).EncodeSpecial(s.Text); !equal(got, s.Tokens) {
			t.Errorf("token ids of %q are %v, Hugging Face's %v", s.Text, got, s.Tokens)
		}
	}
	backends := openBackends(t)
	b, fast := backends["xla:cpu"]
	if !fast {
		// Without XLA, as much as takes seconds: the shortest prompts.
		b = backends["go"]
		g.Sequences = g.Sequences[:3]
		g.Pairs = g.Pairs[:1]
	}
	if d := g.worst(t, m, b, "f32"); !(d <= 1e-3) {
		t.Errorf("float32 log-odds differ by up to %g, want 1e-3", d)
	} else {
		t.Logf("float32 log-odds differ by up to %.2g", d)
	}
	if !fast {
		return
	}
	g.Sequences, g.Pairs = g.Sequences[:7], g.Pairs[:1]
	if d := g.worst(t, m, b, "bf16"); !(d <= bf16Bound) {
		t.Errorf("bfloat16 log-odds differ by up to %g, want %g", d, bf16Bound)
	} else {
		t.Logf("bfloat16 log-odds differ by up to %.2g", d)
	}
}

// Gemma 3 from a K-quantized file, past its sliding window of 512 tokens.
func TestGemma3AgreesWithTransformers(t *testing.T) {
	path := pulled(t, "gemma-3-270m")
	g := readGolden(t, filepath.Join("testdata", "gemma-3-270m.json"))
	m := load(t, path)
	if m.Hash != g.SHA256 {
		t.Fatalf("%s has SHA-256 %s, the golden file is of %s", path, m.Hash, g.SHA256)
	}
	b, opened, _, err := device.Open("auto")
	if err != nil {
		t.Fatal(err)
	}
	if opened == "go" { // what takes seconds
		g.Sequences = g.Sequences[:2]
	}
	if d := g.worst(t, m, b, "f32"); !(d <= 1e-3) {
		t.Errorf("float32 log-odds differ by up to %g, want 1e-3", d)
	} else {
		t.Logf("float32 log-odds differ by up to %.2g", d)
	}
}

// Leaving out any part of a family's computation shows in its golden log-odds: they would not pass by chance.
func TestGoldensDependOnEveryPart(t *testing.T) {
	b, _, _, err := device.Open("go")
	if err != nil {
		t.Fatal(err)
	}
	without := func(suffix string) func(*backbone.Model) {
		return func(m *backbone.Model) {
			maps.DeleteFunc(m.Weights, func(name string, _ backbone.Weight) bool { return strings.HasSuffix(name, suffix) })
		}
	}
	for _, c := range []struct {
		family, part string
		drop         func(*backbone.Model)
	}{
		{"llama", "rotary base", func(m *backbone.Model) { m.Config.RopeBase *= 10 }},
		{"llama", "output head", without("head")},
		{"llama3", "rope scaling", func(m *backbone.Model) { m.Config.RopeScaling = nil }},
		{"llama3", "o bias", without(".o.bias")},
		{"llama3", "down bias", without(".down.bias")},
		{"mistral", "sliding window", func(m *backbone.Model) { m.Config.Sliding = 0 }},
		{"mistral", "window's width", func(m *backbone.Model) { m.Config.Sliding++ }},
		{"qwen2", "biases", func(m *backbone.Model) {
			for _, s := range []string{".q.bias", ".k.bias", ".v.bias"} {
				without(s)(m)
			}
		}},
		{"qwen2-yarn", "layer types", func(m *backbone.Model) { m.Config.SlidingLayers = []bool{true, true} }},
		{"qwen2-yarn", "attention factor", func(m *backbone.Model) { m.Config.QueryScale = 0 }},
		{"qwen3", "q and k norms", func(m *backbone.Model) { m.Config.QKNorm = false }},
		{"gemma3", "1 + w", func(m *backbone.Model) { m.Config.NormPlusOne = false }},
		{"gemma3", "post norms", func(m *backbone.Model) { m.Config.PostNorms = false }},
		{"gemma3", "embedding scale", func(m *backbone.Model) { m.Config.EmbeddingScale = 0 }},
		{"gemma3", "query scale", func(m *backbone.Model) { m.Config.QueryScale = 0 }},
		{"gemma3", "activation", func(m *backbone.Model) { m.Config.Activation = "silu" }},
		{"gemma3", "soft cap", func(m *backbone.Model) { m.Config.LogitSoftcap = 0 }},
		{"gemma3", "sliding layers", func(m *backbone.Model) { m.Config.Sliding = 0 }},
		{"gemma3", "local rotary base", func(m *backbone.Model) { m.Config.RopeLocalBase = m.Config.RopeBase }},
		{"gemma3", "linear scaling", func(m *backbone.Model) { m.Config.RopeScaling = nil }},
	} {
		t.Run(c.family+"/"+c.part, func(t *testing.T) {
			dir := filepath.Join("testdata", c.family)
			m := load(t, dir)
			c.drop(m)
			if d := readGolden(t, filepath.Join(dir, "golden.json")).worst(t, m, b, ""); d < 1e-2 {
				t.Errorf("without it log-odds differ by %g only", d)
			}
		})
	}
}
