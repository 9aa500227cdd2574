package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lsat/adapter"
	"lsat/backbone"
	"lsat/catalog"
	"lsat/device"
	"lsat/engine"
	"lsat/metric"
	"lsat/prompt"
)

// What lsat score prints for plain text is what Transformers computes for it (backbone/testdata/smollm2.json).
func TestScoreAgreesWithTransformers(t *testing.T) {
	if _, err := catalog.Find("smollm2-135m-instruct", ""); err != nil {
		t.Skipf("SKIPPED: needs the model: lsat pull smollm2-135m-instruct (%v)", err)
	}
	if _, _, _, err := device.Open(device.XLACPU); err != nil {
		t.Skipf("SKIPPED: a real model is slow without XLA: %v", err)
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "backbone", "testdata", "smollm2.json"))
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Pairs     [][2]int32
		Sequences []struct {
			Text    string
			Tokens  []int32
			LogOdds [][]float64 `json:"log_odds"`
		}
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	if golden.Pairs[0] != [2]int32{10539, 5230} {
		t.Fatalf("the golden file's first pair is %v, not Yes and No", golden.Pairs[0])
	}
	var in bytes.Buffer
	var want []float64
	for _, s := range golden.Sequences {
		if len(s.Tokens) > 60 {
			continue
		}
		if err := json.NewEncoder(&in).Encode(map[string]string{"prompt": s.Text, "yes": "Yes", "no": "No"}); err != nil {
			t.Fatal(err)
		}
		want = append(want, s.LogOdds[0][len(s.LogOdds[0])-1])
	}
	if len(want) < 3 {
		t.Fatalf("only %d short golden prompts", len(want))
	}
	file := filepath.Join(t.TempDir(), "prompts.jsonl")
	if err := os.WriteFile(file, in.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code := run([]string{"score", "--backbone", "smollm2-135m-instruct", "--offline", "--dtype", "f32", "--prompts", file, "--json"}, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	dec := json.NewDecoder(&stdout)
	for i, w := range want {
		var s scored
		if err := dec.Decode(&s); err != nil {
			t.Fatal(err)
		}
		if s.Line != i+1 || math.Abs(s.LogOdds-w) > 1e-3 {
			t.Errorf("line %d: log-odds %v, Transformers has %v", s.Line, s.LogOdds, w)
		}
	}
}

func TestScoreNamesBadLines(t *testing.T) {
	for text, says := range map[string]string{
		"":                          "no prompts",
		"{\"prompt\": \"a\"}\n":     `p.jsonl:1: needs "prompt", "yes" and "no"`,
		"\n{\"prompt\": 3}\n":       "p.jsonl:2:",
		"not json":                  "p.jsonl:1:",
		`{"prompt":"a","yes":"Y",`:  "p.jsonl:1:",
		strings.Repeat("x", 20<<20): "p.jsonl:1:",
	} {
		_, err := readPrompts("p.jsonl", strings.NewReader(text), words{})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: %v, want %q", text, err, says)
		}
	}
}

// words is a tokenizer with one token a byte.
type words struct{}

func (words) Encode(text string) []int32 {
	var out []int32
	for _, b := range []byte(text) {
		out = append(out, int32(b))
	}
	return out
}
func (words) Decode([]int32) string   { return "" }
func (words) ID(string) (int32, bool) { return 0, false }
func (words) BOS() (int32, bool)      { return 0, false }
func (words) Hash() string            { return "words" }

// A model that cannot fit is refused before it is loaded, with both numbers.
func TestScoreRefusesWhatCannotFit(t *testing.T) {
	tiny := filepath.Join("..", "..", "backbone", "testdata", "llama")
	for flag, says := range map[string]string{
		"--memory=1MB":  "the limit is 0.00 GB",
		"--memory=much": `memory limit "much"`,
		"--devices=9":   "9 devices asked for, Go Backend has 1",
	} {
		var stdout, stderr bytes.Buffer
		args := []string{"score", "--backbone", tiny, "--device", "go", "--prompts", os.DevNull, flag}
		if code := run(args, &stdout, &stderr); code != exitFailure || !strings.Contains(stderr.String(), says) {
			t.Errorf("%s: exit code %d, %s", flag, code, stderr.String())
		}
	}
	var stdout, stderr bytes.Buffer
	if run([]string{"score", "--backbone", tiny, "--device", "xla:cuda:2", "--prompts", os.DevNull}, &stdout, &stderr); !strings.Contains(stderr.String(), "CUDA_VISIBLE_DEVICES=2") {
		t.Errorf("a device by number: %s", stderr.String())
	}
}

// Two adapters give LSAT-EN's probability, w p_long + (1-w) p_short.
func TestScoreMergesTwoAdapters(t *testing.T) {
	m, err := backbone.Load(t.Context(), filepath.Join("..", "..", "backbone", "testdata", "llama"), backbone.Options{NoTokenizer: true})
	if err != nil {
		t.Fatal(err)
	}
	b, _, _, err := device.Open(device.Go)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(t.Context(), m, b, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(); _ = m.Close() })
	random := func(size float32) *adapter.Adapter {
		a, err := adapter.New(adapter.Config{}, e.AdapterShapes(), 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Layers {
			for i := range f.B.Data {
				f.B.Data[i] = size * float32(i%3)
			}
		}
		return a
	}
	long, short := random(.5), random(-.8)
	probabilities := func(adapters ...*adapter.Adapter) []float64 {
		lines := []scoreLine{{answers: prompt.Answers{Yes: 3, No: 4}}, {answers: prompt.Answers{Yes: 5, No: 6}}, {answers: prompt.Answers{Yes: 3, No: 4}}}
		for i := range lines {
			lines[i].sequence = prompt.Sequence{Tokens: []int32{1, 2, int32(7 + i)}, Targets: []prompt.Target{{Position: 2}}}
		}
		if err := scoreLines(t.Context(), e, adapters, .7, lines); err != nil {
			t.Fatal(err)
		}
		var out []float64
		for _, l := range lines {
			out = append(out, metric.Probability(l.logOdds))
		}
		return out
	}
	l, s, got := probabilities(long), probabilities(short), probabilities(long, short)
	for i := range got {
		if math.Abs(l[i]-s[i]) < 1e-3 {
			t.Errorf("prompt %d: the two adapters agree, %v and %v: nothing is tested", i, l[i], s[i])
		}
		if want := .7*l[i] + .3*s[i]; math.Abs(got[i]-want) > 1e-6 {
			t.Errorf("prompt %d: probability %v, of %v and %v merged it is %v", i, got[i], l[i], s[i], want)
		}
	}
	for _, args := range [][]string{{"--short", "x"}, {"--adapter", "x", "--short", "x", "--weight", "1.5"}} {
		var stdout, stderr bytes.Buffer
		if code := run(append([]string{"score", "--backbone", "x", "--prompts", os.DevNull}, args...), &stdout, &stderr); code != exitUsage {
			t.Errorf("%v: exit code %d, %s", args, code, stderr.String())
		}
	}
}
