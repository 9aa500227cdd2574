package study_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"lsat/adapter"
	"lsat/engine"
	"lsat/prompt"
	"lsat/study"
)

// towerRunner is fakeRunner as the second of two layers. It refuses to work on sequences whose first layer has not been computed.
type towerRunner struct {
	fakeRunner
	frozen int // lists
	dir    string
}

var errNotFrozen = errors.New("sequences without hidden states")

func (*towerRunner) AdapterShapes() map[adapter.Key][2]int {
	return map[adapter.Key][2]int{{Layer: 0, Module: "q_proj"}: {1, fakeIn}, {Layer: 1, Module: "q_proj"}: {1, fakeIn}}
}

func (r *towerRunner) Freeze(_ context.Context, seqs []prompt.Sequence, layer int, dir string, progress engine.Progress) (io.Closer, error) {
	if layer != 1 {
		return nil, errors.New("froze another layer than the one below the adapters")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	r.dir = dir
	progress(len(seqs), len(seqs))
	r.frozen++
	for i := range seqs {
		seqs[i].Hidden = &prompt.Hidden{Layer: layer}
	}
	return io.NopCloser(nil), nil
}

// lowered is the adapter of the second layer as one of the first, which fakeRunner knows.
func lowered(seqs []prompt.Sequence, a *adapter.Adapter) (*adapter.Adapter, error) {
	for i := range seqs {
		if seqs[i].Hidden == nil {
			return nil, errNotFrozen
		}
	}
	if a == nil {
		return nil, nil
	}
	f, ok := a.Layers[adapter.Key{Layer: 1, Module: "q_proj"}]
	if !ok || len(a.Layers) != 1 {
		return nil, errors.New("the adapter is not of the uppermost layer alone")
	}
	b := *a
	b.Layers = map[adapter.Key]adapter.Factors{{Layer: 0, Module: "q_proj"}: f}
	return &b, nil
}

func (r *towerRunner) Score(ctx context.Context, seqs []prompt.Sequence, ans prompt.Answers, a *adapter.Adapter, p engine.Progress) ([][]float64, error) {
	b, err := lowered(seqs, a)
	if err != nil {
		return nil, err
	}
	return r.fakeRunner.Score(ctx, seqs, ans, b, p)
}

func (r *towerRunner) Gradient(ctx context.Context, seqs []prompt.Sequence, ans prompt.Answers, a *adapter.Adapter, d float64, seed uint64, g []float32) (float64, error) {
	b, err := lowered(seqs, a)
	if err != nil {
		return 0, err
	}
	return r.fakeRunner.Gradient(ctx, seqs, ans, b, d, seed, g)
}

// A study with adapters on the upper layers computes what is below them once, for all its strategies, before any of them needs it.
func TestUpperLayersAreTrainedOverFrozenOnes(t *testing.T) {
	t.Parallel()
	c, in := small(t, "adapter.top_layers=1", "strategies=[no-update, short, long, finetune, lsat-ensemble-3, short+prior]")
	r := &towerRunner{}
	in.Runner = r
	dir := t.TempDir()
	first := run(t, dir, c, in)
	if r.frozen == 0 {
		t.Fatal("nothing was frozen")
	}
	if _, err := os.Stat(r.dir); !errors.Is(err, os.ErrNotExist) || filepath.Dir(r.dir) != dir {
		t.Errorf("hidden states in %s: %v, want them in the run directory and gone with the end of the study", r.dir, err)
	}
	frozen := r.frozen
	second := run(t, dir, c, in)
	if r.frozen != frozen {
		t.Errorf("a finished study froze %d lists again", r.frozen-frozen)
	}
	if len(first.Cells) != len(second.Cells) {
		t.Errorf("%d cells, then %d", len(first.Cells), len(second.Cells))
	}
	c, in = small(t, "adapter.top_layers=1", "keep_hidden=true", "strategies=[short]", "compare_to=short")
	in.Runner = r
	run(t, t.TempDir(), c, in)
	if _, err := os.Stat(r.dir); err != nil {
		t.Errorf("keep_hidden: %v", err)
	}
}

// Without top_layers nothing is frozen.
func TestAdaptersOnAllLayersFreezeNothing(t *testing.T) {
	t.Parallel()
	c, in := small(t, "strategies=[zero-shot]", "compare_to=zero-shot")
	in.Runner = &towerRunner{}
	if err := study.Run(context.Background(), t.TempDir(), c, in); !errors.Is(err, errNotFrozen) {
		t.Errorf("error %v, want the runner's own, of sequences that nobody froze", err)
	}
}
