package adapter

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// ErrShape is in the chain of every error about tensors that do not fit their adapter.
var ErrShape = errors.New("tensor does not fit the adapter")

// New creates an adapter whose update is zero: A is uniform in ±1/sqrt(in) (Kaiming-uniform with a = sqrt 5, as PEFT starts it), B is
// zero. shapes gives [out, in] of every projection of the backbone; those in cfg.Modules are adapted, and every layer must have all of
// them. A key's numbers depend on the seed, the key and the shape only. It fails for a bad configuration, and for a module that the
// backbone lacks.
func New(cfg Config, shapes map[Key][2]int, seed uint64) (*Adapter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.WithDefaults()
	layers := map[int]bool{}
	for k := range shapes {
		layers[k.Layer] = true
	}
	if len(layers) == 0 {
		return nil, errors.New("adapter: no projection to adapt (no shapes given)")
	}
	a := &Adapter{Config: cfg, Layers: make(map[Key]Factors, len(layers)*len(cfg.Modules))}
	for layer := range layers {
		for _, m := range cfg.Modules {
			k := Key{layer, m}
			s, ok := shapes[k]
			if !ok {
				return nil, fmt.Errorf("adapter: the backbone has no %s", k)
			}
			if layer < 0 || layer > maxLayer || s[0] < 1 || s[1] < 1 || s[0] > maxDim || s[1] > maxDim {
				return nil, fmt.Errorf("adapter: %s has the impossible shape %v: %w", k, s, ErrShape)
			}
			a.Layers[k] = Factors{A: kaiming(cfg.Rank, s[1], k, seed), B: zeros(s[0], cfg.Rank)}
		}
	}
	return a, nil
}

// kaiming draws a [rank, in] matrix from U(-1/sqrt(in), 1/sqrt(in)).
func kaiming(rank, in int, k Key, seed uint64) Matrix {
	h := sha256.New()
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], seed)
	binary.LittleEndian.PutUint64(b[8:], uint64(k.Layer))
	_, _ = h.Write(b[:])
	_, _ = h.Write([]byte(k.Module))
	sum := h.Sum(nil)
	rng := rand.NewPCG(binary.LittleEndian.Uint64(sum), binary.LittleEndian.Uint64(sum[8:]))
	m, bound := zeros(rank, in), 1/math.Sqrt(float64(in))
	for i := range m.Data {
		m.Data[i] = float32((2*float64(rng.Uint64()>>11)/(1<<53) - 1) * bound)
	}
	return m
}

func zeros(rows, cols int) Matrix { return Matrix{rows, cols, make([]float32, rows*cols)} }

// check says whether the matrix has the elements that its shape promises.
func (m Matrix) check() error {
	if m.Rows < 1 || m.Cols < 1 || m.Rows > maxDim || m.Cols > maxDim || len(m.Data) != m.Rows*m.Cols {
		return fmt.Errorf("[%d, %d] with %d elements: %w", m.Rows, m.Cols, len(m.Data), ErrShape)
	}
	return nil
}

// Clone returns a copy that shares nothing.
func (m Matrix) Clone() Matrix { return Matrix{m.Rows, m.Cols, slices.Clone(m.Data)} }

func (m Matrix) equal(o Matrix) bool {
	if m.Rows != o.Rows || m.Cols != o.Cols || len(m.Data) != len(o.Data) {
		return false
	}
	for i, v := range m.Data {
		if math.Float32bits(v) != math.Float32bits(o.Data[i]) {
			return false
		}
	}
	return true
}

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

// Keys are the adapted projections by layer, then in the order q, k, v, o, gate, up, down.
func (a *Adapter) Keys() []Key {
	keys := make([]Key, 0, len(a.Layers))
	for k := range a.Layers {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, Key.compare)
	return keys
}

// Clone returns a copy that shares nothing.
func (a *Adapter) Clone() *Adapter {
	c := &Adapter{Config: a.Config, Base: a.Base, Layers: make(map[Key]Factors, len(a.Layers))}
	c.Config.Modules = slices.Clone(a.Config.Modules)
	for k, f := range a.Layers {
		c.Layers[k] = Factors{A: f.A.Clone(), B: f.B.Clone()}
	}
	return c
}

// Equal says whether both have the same base, configuration (defaults filled in) and bits.
func (a *Adapter) Equal(b *Adapter) bool {
	if a == nil || b == nil {
		return a == b
	}
	ca, cb := a.Config.WithDefaults(), b.Config.WithDefaults()
	if a.Base != b.Base || ca.Rank != cb.Rank || ca.Alpha != cb.Alpha || ca.Dropout != cb.Dropout || ca.RSLoRA != cb.RSLoRA ||
		!slices.Equal(ca.Modules, cb.Modules) || len(a.Layers) != len(b.Layers) {
		return false
	}
	for k, f := range a.Layers {
		g, ok := b.Layers[k]
		if !ok || !f.A.equal(g.A) || !f.B.equal(g.B) {
			return false
		}
	}
	return true
}

// NumParameters is the number of trained numbers.
func (a *Adapter) NumParameters() int {
	n := 0
	for _, f := range a.Layers {
		n += len(f.A.Data) + len(f.B.Data)
	}
	return n
}

// Hash is the adapter's content address: the SHA-256, in hex, over what decides its update (scale, keys, shapes, the bits of A and B).
// The base's name, which may be a path, and the dropout of its training do not count.
func (a *Adapter) Hash() string {
	h := sha256.New()
	buf := make([]byte, 0, 1<<16)
	u64 := func(v uint64) { buf = binary.LittleEndian.AppendUint64(buf, v) }
	buf = append(buf, "lsat adapter 1\n"...)
	u64(math.Float64bits(a.Scale()))
	u64(uint64(len(a.Layers)))
	for _, k := range a.Keys() {
		u64(uint64(k.Layer))
		u64(uint64(len(k.Module)))
		buf = append(buf, k.Module...)
		f := a.Layers[k]
		for _, m := range []Matrix{f.A, f.B} {
			u64(uint64(m.Rows))
			u64(uint64(m.Cols))
			for _, v := range m.Data {
				buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
			}
		}
		_, _ = h.Write(buf)
		buf = buf[:0]
	}
	_, _ = h.Write(buf)
	return hex.EncodeToString(h.Sum(nil))
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
