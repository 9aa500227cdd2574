package adapter

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
)

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
