package adapter

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
)

// New creates an adapter whose update is zero: A is uniform in ±1/sqrt(in) (Kaiming-uniform with a = sqrt 5, as PEFT starts it), B is
// zero. shapes gives [out, in] of every projection of the backbone; those in cfg.Modules are adapted, in every layer or in the
// cfg.TopLayers uppermost ones, which must have all of them. A key's numbers depend on the seed, the key and the shape only. It fails for a bad configuration, and for a module that the
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
	order := slices.Sorted(maps.Keys(layers))
	if n := cfg.TopLayers; n > len(order) {
		return nil, fmt.Errorf("adapter: top_layers %d, the backbone has %d layers", n, len(order))
	} else if n > 0 {
		order = order[len(order)-n:]
	}
	a := &Adapter{Config: cfg, Layers: make(map[Key]Factors, len(order)*len(cfg.Modules))}
	for _, layer := range order {
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
