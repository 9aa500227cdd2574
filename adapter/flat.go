package adapter

import (
	"fmt"
	"slices"
)

// Keys are the adapted projections by layer, then in the order q, k, v, o, gate, up, down.
func (a *Adapter) Keys() []Key {
	keys := make([]Key, 0, len(a.Layers))
	for k := range a.Layers {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, Key.compare)
	return keys
}

// NumParameters is the number of trained numbers.
func (a *Adapter) NumParameters() int {
	n := 0
	for _, f := range a.Layers {
		n += len(f.A.Data) + len(f.B.Data)
	}
	return n
}

// Flatten copies all numbers into one slice: for each key of Keys, A then B, row-major.
func (a *Adapter) Flatten() []float32 {
	flat := make([]float32, 0, a.NumParameters())
	for _, k := range a.Keys() {
		f := a.Layers[k]
		flat = append(append(flat, f.A.Data...), f.B.Data...)
	}
	return flat
}

// SetFlat sets all numbers from a slice laid out as Flatten gives it. It fails, changing nothing, when the length differs.
func (a *Adapter) SetFlat(flat []float32) error {
	if n := a.NumParameters(); len(flat) != n {
		return fmt.Errorf("adapter: %d numbers given, it has %d: %w", len(flat), n, ErrShape)
	}
	for _, k := range a.Keys() {
		f := a.Layers[k]
		flat = flat[copy(f.A.Data, flat):]
		flat = flat[copy(f.B.Data, flat):]
	}
	return nil
}
