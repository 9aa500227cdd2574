package train

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"lsat/adapter"
	"lsat/backbone"
	"lsat/engine"
	"lsat/prompt"
)

// On a real engine, too, a job that was stopped ends with the bytes of one that was not, dropout included.
func TestResumesExactlyOnEveryBackend(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	sequences := func(n int) []prompt.Sequence {
		var out []prompt.Sequence
		for range n {
			s := prompt.Sequence{}
			for k := range 10 + rng.IntN(20) {
				tok := int32(3 + rng.IntN(40))
				s.Tokens = append(s.Tokens, tok)
				if k%4 == 3 {
					s.Targets = append(s.Targets, prompt.Target{Position: int32(k), Label: rng.Float64() < .2+.6*float64(tok%2)})
				}
			}
			out = append(out, s)
		}
		return out
	}
	data := Data{Train: prompt.List(sequences(24)), Valid: prompt.List(sequences(12)), Answers: prompt.Answers{Yes: 7, No: 11}}
	ctx := context.Background()
	for name, b := range openBackends(t) {
		t.Run(name, func(t *testing.T) {
			m, err := backbone.Load(ctx, filepath.Join("..", "backbone", "testdata", "llama"), backbone.Options{NoTokenizer: true})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = m.Close() }()
			e, err := engine.New(ctx, m, b, engine.Options{DType: "f32", RowTokens: 64, BatchTokens: 128})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			spec := Spec{Backbone: e.BackboneHash(), Numerics: e.Numerics(), Train: Slice{Name: "t"}, Valid: Slice{Name: "v"},
				Adapter: adapter.Config{Rank: 4, Dropout: .1}, Hyper: Hyper{Batch: 16, Epochs: 2, EvalEvery: 3}, Seed: 3}
			whole := t.TempDir()
			r, err := Run(ctx, spec, e, data, nil, whole, nil)
			if err != nil {
				t.Fatal(err)
			}
			for stop := 1; stop < r.Steps; stop += 2 {
				dir := t.TempDir()
				c, cancel := context.WithCancel(ctx)
				_, err := Run(c, spec, e, data, nil, dir, func(ev Event) {
					if ev.Step == stop {
						cancel()
					}
				})
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("stopped after step %d: %v", stop, err)
				}
				if _, err := Run(ctx, spec, e, data, nil, dir, nil); err != nil {
					t.Fatal(err)
				}
				if files(t, dir) != files(t, whole) {
					t.Fatalf("stopped after step %d: the resumed job differs", stop)
				}
			}
		})
	}
}
