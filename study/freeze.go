package study

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"lsat/engine"
	"lsat/prompt"
)

// frozen are the hidden states below the adapters of a study whose adapters do not reach down to the first layer: every adapter meets the
// same ones, so they are computed once for each list of samples, and kept in the run directory while the study runs.
type frozen struct {
	runner engine.Freezer
	layer  int
	// share is the part of the layers that is left for every adapter to compute.
	share float64
	dir   string
	files []io.Closer
}

// newFrozen returns nil where there is nothing to freeze.
func newFrozen(c Config, r engine.Runner, dir string) *frozen {
	f, ok := r.(engine.Freezer)
	if !ok || c.Adapter.TopLayers == 0 {
		return nil
	}
	layers := 0
	for k := range r.AdapterShapes() {
		layers = max(layers, k.Layer+1)
	}
	layer := layers - c.Adapter.TopLayers
	if layer < 1 {
		return nil
	}
	return &frozen{runner: f, layer: layer, share: float64(c.Adapter.TopLayers) / float64(layers), dir: filepath.Join(dir, "hidden")}
}

// cost is what one sample costs a job or a scoring, in samples scored by the whole backbone.
func (f *frozen) cost() float64 {
	if f == nil {
		return 1
	}
	return f.share
}

func frozenName(list *sampleList) string { return "hidden/" + list.hash() }

// freeze gives sequences their hidden states.
func (x *executor) freeze(ctx context.Context, list *sampleList, seqs []prompt.Sequence) error {
	f := x.frozen
	if f == nil {
		return nil
	}
	name, task, computed := frozenName(list), "lower layers of "+list.name, false
	file, err := f.runner.Freeze(ctx, seqs, f.layer, f.dir, func(done, of int) {
		if !computed {
			x.meter.begin(name, task, of)
			computed = true
		}
		x.meter.progress(done, of)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", task, err)
	}
	x.meter.end(name, !computed, "")
	f.files = append(f.files, file)
	return nil
}

// freezeSource gives the sequences of a list their hidden states, where lower layers are frozen.
func (x *executor) freezeSource(ctx context.Context, list *sampleList) error {
	src, err := x.source(list)
	if seqs, ok := src.(prompt.List); ok && err == nil {
		return x.freeze(ctx, list, seqs)
	}
	return err
}

// close gives the states up; a study that is done removes them, and one that goes on later finds them.
func (f *frozen) close(done bool) error {
	if f == nil {
		return nil
	}
	var errs []error
	for _, c := range f.files {
		errs = append(errs, c.Close())
	}
	if done {
		errs = append(errs, os.RemoveAll(f.dir))
	}
	return errors.Join(errs...)
}

// expectFrozen plans the lower layers of a list.
func (x *executor) expectFrozen(list *sampleList) {
	if x.frozen != nil {
		x.meter.expect(frozenName(list), (1-x.frozen.share)*float64(list.size))
	}
}
