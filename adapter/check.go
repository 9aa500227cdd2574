package adapter

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// ErrShape is in the chain of every error about tensors that do not fit their adapter.
var ErrShape = errors.New("tensor does not fit the adapter")

// Rank is the adapter's rank, with its default.
func (a *Adapter) Rank() int { return a.Config.WithDefaults().Rank }

// Scale is what every product B A is multiplied by.
func (a *Adapter) Scale() float64 { return a.Config.Scale() }

// Validate checks the configuration and every factor: A is [rank, in], B is [out, rank], all numbers are finite.
func (a *Adapter) Validate() error {
	if a == nil {
		return errors.New("adapter: nil adapter")
	}
	if err := a.Config.Validate(); err != nil {
		return err
	}
	if len(a.Layers) == 0 {
		return errors.New("adapter: it adapts nothing")
	}
	cfg := a.Config.WithDefaults()
	seen := map[string]bool{}
	for _, k := range a.Keys() {
		f := a.Layers[k]
		seen[k.Module] = true
		if k.Layer < 0 || k.Layer > maxLayer || !slices.Contains(cfg.Modules, k.Module) {
			return fmt.Errorf("adapter: %s is not among the adapted modules %v", k, cfg.Modules)
		}
		if err := f.A.check(); err != nil {
			return fmt.Errorf("adapter: %s: A: %w", k, err)
		}
		if err := f.B.check(); err != nil {
			return fmt.Errorf("adapter: %s: B: %w", k, err)
		}
		if f.A.Rows != cfg.Rank || f.B.Cols != cfg.Rank {
			return fmt.Errorf("adapter: %s: A [%d, %d] and B [%d, %d] are not of rank %d: %w", k, f.A.Rows, f.A.Cols, f.B.Rows, f.B.Cols, cfg.Rank, ErrShape)
		}
		for _, m := range []Matrix{f.A, f.B} {
			for _, v := range m.Data {
				if x := float64(v); math.IsNaN(x) || math.IsInf(x, 0) {
					return fmt.Errorf("adapter: %s holds a number that is not finite", k)
				}
			}
		}
	}
	for _, m := range cfg.Modules {
		if !seen[m] {
			return fmt.Errorf("adapter: no layer has the module %s that its configuration names", m)
		}
	}
	return nil
}

// Check says whether the adapter fits a backbone's projections ([out, in] by key).
func (a *Adapter) Check(shapes map[Key][2]int) error {
	if err := a.Validate(); err != nil {
		return err
	}
	for _, k := range a.Keys() {
		f := a.Layers[k]
		s, ok := shapes[k]
		if !ok {
			return fmt.Errorf("adapter: the backbone has no %s: %w", k, ErrShape)
		}
		if got := [2]int{f.B.Rows, f.A.Cols}; got != s {
			return fmt.Errorf("adapter: %s is for a projection of shape %v, the backbone's is %v: %w", k, got, s, ErrShape)
		}
	}
	return nil
}

// check says whether the matrix has the elements that its shape promises.
func (m Matrix) check() error {
	if m.Rows < 1 || m.Cols < 1 || m.Rows > maxDim || m.Cols > maxDim || len(m.Data) != m.Rows*m.Cols {
		return fmt.Errorf("[%d, %d] with %d elements: %w", m.Rows, m.Cols, len(m.Data), ErrShape)
	}
	return nil
}
