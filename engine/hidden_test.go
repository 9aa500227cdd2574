package engine

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"lsat/adapter"
	"lsat/prompt"
)

// topAdapter is a random adapter of the uppermost layers of a model.
func topAdapter(t *testing.T, e *Engine, layers int) *adapter.Adapter {
	t.Helper()
	cfg := allModules()
	cfg.TopLayers = layers
	a, err := randomAdapter(e.AdapterShapes(), cfg, 9)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Starting from stored hidden states is the same computation as starting from the tokens.
func TestFrozenLayersChangeNothing(t *testing.T) {
	for name, b := range backends(t) {
		for _, family := range []string{"llama", "gemma3"} {
			t.Run(name+"/"+family, func(t *testing.T) {
				cfg := smallConfigs()[family]
				e := newEngine(t, randomModel(cfg, 5), b, Options{RowTokens: 64, BatchTokens: 256})
				layer := cfg.Layers - 1
				a := topAdapter(t, e, 1)
				seqs := headed(5, cfg.Vocab, 2)
				frozen := slices.Clone(seqs)
				file, err := e.Freeze(context.Background(), frozen, layer, t.TempDir(), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = file.Close() }()
				for _, a := range []*adapter.Adapter{a, nil} {
					sameScores(t, "tokens", scoreAll(t, e, frozen, a), scoreAll(t, e, seqs, a))
				}
				loss, grad := gradient(t, e, frozen, a)
				wantLoss, want := gradient(t, e, seqs, a)
				sameGradient(t, "tokens", loss, wantLoss, grad, want)
			})
		}
	}
}

// An adapter that reaches below the stored layer starts from the tokens.
func TestFrozenBelowTheAdapterIsNotUsed(t *testing.T) {
	b := backends(t)["go"]
	cfg := smallConfigs()["llama"]
	e := newEngine(t, randomModel(cfg, 5), b, Options{RowTokens: 64, BatchTokens: 256})
	a := topAdapter(t, e, 0)
	seqs := randomSequences(4, cfg.Vocab, 3)
	want := scoreAll(t, e, seqs, a)
	frozen := slices.Clone(seqs)
	file, err := e.Freeze(context.Background(), frozen, cfg.Layers-1, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if got := scoreAll(t, e, frozen, a); !slices.Equal(got, want) {
		t.Errorf("log-odds %v, want the bits of %v", got, want)
	}
}

func TestFreezeKeepsItsFile(t *testing.T) {
	b := backends(t)["go"]
	cfg := smallConfigs()["llama"]
	m := randomModel(cfg, 5)
	e := newEngine(t, m, b, Options{RowTokens: 64, BatchTokens: 256})
	dir := filepath.Join(t.TempDir(), "made", "here")
	seqs := randomSequences(5, cfg.Vocab, 3)
	freeze := func(seqs []prompt.Sequence) (computed bool) {
		t.Helper()
		file, err := e.Freeze(context.Background(), seqs, 1, dir, func(int, int) { computed = true })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = file.Close() })
		return computed
	}
	if !freeze(seqs) {
		t.Fatal("nothing was computed for the first time")
	}
	first := rows(seqs)
	again := slices.Clone(seqs)
	if freeze(again) {
		t.Error("computed again what a file holds")
	}
	if !slices.Equal(first, rows(again)) {
		t.Error("the file holds other bits than were computed")
	}
	other := slices.Clone(seqs[1:])
	if !freeze(other) {
		t.Error("another list was served from the file of the first")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 2 {
		t.Fatalf("files %v, %v: want one for each list", files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text[len(text)/2] ^= 1
		// A new file, since the old one is mapped.
		if err := os.WriteFile(f+".new", text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(f+".new", f); err != nil {
			t.Fatal(err)
		}
	}
	healed := slices.Clone(seqs)
	if !freeze(healed) {
		t.Error("a damaged file was used")
	}
	if !slices.Equal(first, rows(healed)) {
		t.Error("the same list has other bits the second time")
	}
}

func TestFreezeRefuses(t *testing.T) {
	b := backends(t)["go"]
	cfg := smallConfigs()["llama"]
	e := newEngine(t, randomModel(cfg, 5), b, Options{RowTokens: 64, BatchTokens: 256})
	for _, layer := range []int{-1, 0, cfg.Layers} {
		if _, err := e.Freeze(context.Background(), randomSequences(1, cfg.Vocab, 3), layer, t.TempDir(), nil); err == nil {
			t.Errorf("layer %d of %d was frozen", layer, cfg.Layers)
		}
	}
	seqs := randomSequences(1, cfg.Vocab, 3)
	seqs[0].Hidden = &prompt.Hidden{Layer: 1, Rows: make([]byte, 4)}
	if _, err := e.Score(context.Background(), seqs, answers, nil, nil); err == nil {
		t.Error("hidden states of another width were taken")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	dir := t.TempDir()
	if _, err := e.Freeze(ctx, randomSequences(1, cfg.Vocab, 3), 1, dir, nil); err == nil {
		t.Error("a cancelled context did not stop it")
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) > 0 {
		t.Errorf("a cancelled run left %v", files)
	}
}

func rows(seqs []prompt.Sequence) []byte {
	var out []byte
	for i := range seqs {
		out = append(out, seqs[i].Hidden.Rows...)
	}
	return out
}

func scoreAll(t *testing.T, e *Engine, seqs []prompt.Sequence, a *adapter.Adapter) []float64 {
	t.Helper()
	scores, err := e.Score(context.Background(), seqs, answers, a, nil)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(scores...)
}

func gradient(t *testing.T, e *Engine, seqs []prompt.Sequence, a *adapter.Adapter) (float64, []float32) {
	t.Helper()
	grad := make([]float32, a.NumParameters())
	loss, err := e.Gradient(context.Background(), seqs, answers, a, 0, 0, grad)
	if err != nil {
		t.Fatal(err)
	}
	return loss, grad
}
