// Package randommodel writes models of generated weights, in the files that real ones come in, for measuring and for tests.
package randommodel

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"lsat/internal/atomicfile"
	"lsat/internal/halffloat"
	"lsat/internal/safetensors"
)

// spread is the standard deviation of every weight but the norms', which are ones: what Llama's own initialization has.
const spread = .02

// Options say what is written besides the shape.
type Options struct {
	// Seed decides the weights.
	Seed uint64
	// ShardBytes is the size of a weight file, at most, but for a tensor that is larger. Default 2 GiB.
	ShardBytes int
	// Words, in ASCII letters, are one token each behind a space; all other text is written in single bytes.
	Words []string
}

// Write writes config.json, tokenizer.json, the weight files, in bfloat16, and, last, their index. The same shape and options give the same
// bytes. It fails for a vocabulary that is too small for the tokenizer, and where files cannot be written.
func Write(ctx context.Context, dir string, s Shape, o Options) error {
	if o.ShardBytes <= 0 {
		o.ShardBytes = 2 << 30
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	config, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	tok, err := tokenizerJSON(s.Vocab, o.Words)
	if err != nil {
		return err
	}
	shards := cut(s.tensors(), o.ShardBytes)
	where := map[string]string{}
	var total int64
	name := func(i int) string { return fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(shards)) }
	for i, shard := range shards {
		for _, t := range shard {
			where[t.name] = name(i)
			total += 2 * int64(t.elements())
		}
	}
	index, err := json.MarshalIndent(map[string]any{"metadata": map[string]int64{"total_size": total}, "weight_map": where}, "", "  ")
	if err != nil {
		return err
	}
	errs := make([]error, len(shards))
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i, shard := range shards {
		wg.Add(1)
		go func() {
			defer wg.Done()
			slots <- struct{}{}
			defer func() { <-slots }()
			errs[i] = atomicfile.Write(filepath.Join(dir, name(i)), 0o644, func(w io.Writer) error { return writeShard(ctx, w, shard, o.Seed) })
		}()
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		text []byte
	}{{"config.json", config}, {"tokenizer.json", tok}, {"model.safetensors.index.json", index}} {
		if err := atomicfile.Write(filepath.Join(dir, f.name), 0o644, func(w io.Writer) error {
			_, err := w.Write(f.text)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// cut deals tensors to shards, in order.
func cut(list []tensor, shardBytes int) [][]tensor {
	var shards [][]tensor
	size := 0
	for _, t := range list {
		n := 2 * t.elements()
		if len(shards) == 0 || size+n > shardBytes {
			shards, size = append(shards, nil), 0
		}
		shards[len(shards)-1] = append(shards[len(shards)-1], t)
		size += n
	}
	return shards
}

func writeShard(ctx context.Context, w io.Writer, list []tensor, seed uint64) error {
	infos := make([]safetensors.Info, len(list))
	for i, t := range list {
		infos[i] = safetensors.Info{Name: t.name, DType: "BF16", Shape: t.shape}
	}
	if err := safetensors.WriteHeader(w, infos, map[string]string{"format": "pt"}); err != nil {
		return err
	}
	for _, t := range list {
		if err := writeTensor(ctx, w, t, seed); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return nil
}

// bits of randomness that one weight takes: it is one of the middle points of so many equally likely parts of a normal distribution.
const bits = 12

var normal = func() (table [1 << bits]uint16) {
	for i := range table {
		p := (float64(i) + .5) / (1 << bits)
		table[i] = halffloat.ToBF16(float32(spread * math.Sqrt2 * math.Erfinv(2*p-1)))
	}
	return table
}()

func writeTensor(ctx context.Context, w io.Writer, t tensor, seed uint64) error {
	name := fnv.New64a()
	_, _ = name.Write([]byte(t.name)) // never fails
	rng := rand.NewPCG(seed, name.Sum64())
	one := halffloat.ToBF16(1)
	block := make([]byte, 1<<16)
	for left := 2 * t.elements(); left > 0; left -= len(block) {
		if err := ctx.Err(); err != nil {
			return err
		}
		block = block[:min(left, len(block))]
		var r uint64
		for i := 0; i < len(block); i += 2 {
			if r >>= 16; i%8 == 0 { // four weights of a draw
				r = rng.Uint64()
			}
			v := normal[r&(1<<bits-1)]
			if t.norm {
				v = one
			}
			binary.LittleEndian.PutUint16(block[i:], v)
		}
		if _, err := w.Write(block); err != nil {
			return err
		}
	}
	return nil
}
