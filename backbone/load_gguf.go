package backbone

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"

	"lsat/internal/gguf"
	"lsat/internal/mmap"
)

// loadGGUF loads a GGUF file. Float16 and bfloat16 tensors, and float32 ones that need no change, stay in the mapped file; the others
// become float32 in memory.
func loadGGUF(ctx context.Context, path string) (*source, error) {
	src, f, cfg, err := openGGUF(path)
	if err != nil {
		return nil, err
	}
	w, err := cfg.fromGGUF(ctx, path, f)
	if err != nil {
		return nil, errors.Join(err, src.close())
	}
	src.gguf = f
	src.model = &Model{Config: cfg, Weights: w}
	return src, nil
}

// openGGUF maps a file and reads what stands before its tensors.
func openGGUF(path string) (*source, *gguf.File, Config, error) {
	file, err := mmap.Open(path)
	if errors.Is(err, mmap.ErrEmpty) {
		return nil, nil, Config{}, fmt.Errorf("%s: %w: it is empty", path, ErrTruncated)
	}
	if err != nil {
		return nil, nil, Config{}, err
	}
	src := &source{files: []*mmap.File{file}}
	f, err := gguf.Parse(file.Data)
	if err != nil {
		sentinel := ErrFormat
		if errors.Is(err, gguf.ErrTruncated) {
			sentinel = ErrTruncated
		}
		return nil, nil, Config{}, errors.Join(fmt.Errorf("%s: %w: %w", path, sentinel, err), src.close())
	}
	cfg, err := configFromGGUF(f)
	if err != nil {
		return nil, nil, Config{}, errors.Join(fmt.Errorf("%s: %w", path, err), src.close())
	}
	return src, f, cfg, nil
}

// fromGGUF picks and converts the configuration's tensors, on all processors.
func (c Config) fromGGUF(ctx context.Context, path string, f *gguf.File) (map[string]Weight, error) {
	list := c.tensors(ggufNames())
	for _, w := range list { // all of them, before any work
		t, ok := f.Tensors[w.file]
		if !ok {
			return nil, missing(path, w)
		}
		if !slices.Equal(t.Shape, w.shape) {
			return nil, misshapen(path, w, t.Shape)
		}
		if !t.Type.Numeric() {
			return nil, fmt.Errorf("%s: %w: tensor %s of type %s", path, ErrUnsupported, w.file, t.Type)
		}
	}
	weights := make([]Weight, len(list))
	var jobs []func() error
	for i, w := range list {
		t := f.Tensors[w.file]
		heads := c.permutedHeads(w.part)
		plusOne := c.NormPlusOne && len(w.shape) == 1 && isNorm(w)
		if dtype, ok := map[gguf.Type]DType{gguf.F32: F32, gguf.F16: F16, gguf.BF16: BF16}[t.Type]; ok && !plusOne {
			weights[i] = Weight{DType: dtype, Shape: w.shape, Bytes: t.Data, mapped: true}
			if heads > 0 {
				weights[i] = Weight{DType: dtype, Shape: w.shape, Bytes: unpermute(t.Data, w.shape[0], heads)}
			}
			continue
		}
		out := make([]byte, 4*t.Elements())
		weights[i] = Weight{DType: F32, Shape: w.shape, Bytes: out}
		if plusOne {
			jobs = append(jobs, func() error { return minusOne(t, out) })
			continue
		}
		jobs = append(jobs, dequantizeRows(t, out, w.shape, heads)...)
	}
	if err := parallel(ctx, jobs); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	out := make(map[string]Weight, len(list))
	for i, w := range list {
		out[w.name] = weights[i]
	}
	return out, nil
}

func isNorm(w wanted) bool {
	switch w.part {
	case "", "attn_norm", "mlp_norm", "post_attn_norm", "post_mlp_norm", "q_norm", "k_norm":
		return true
	}
	return false
}

// minusOne reads a Gemma norm: GGUF files hold 1+w, where the model's own files, and Weights, hold w.
func minusOne(t gguf.Tensor, out []byte) error {
	if err := t.Dequantize(out, 0, t.Elements()); err != nil {
		return err
	}
	for i := 0; i < len(out); i += 4 {
		v := math.Float32frombits(binary.LittleEndian.Uint32(out[i:]))
		binary.LittleEndian.PutUint32(out[i:], math.Float32bits(v-1))
	}
	return nil
}

// permutedHeads is the number of heads whose rows a GGUF file holds in the order of interleaved rotary embeddings, 0 for a tensor that
// is in its own order. Only files of architecture llama (which Mistral's are too) are permuted.
func (c Config) permutedHeads(part string) int {
	if c.Architecture != "llama" {
		return 0
	}
	switch part {
	case "q", "q.bias":
		return c.Heads
	case "k", "k.bias":
		return c.KVHeads
	}
	return 0
}

// rowInFile is where a GGUF Llama file holds row i of q or k: rows 2j and 2j+1 of a head there are its rows j and j+d/2 here.
func rowInFile(i, rows, heads int) int {
	d := rows / heads
	head, in := i/d, i%d
	return head*d + in%(d/2)*2 + in/(d/2)
}

// unpermute brings rows of any element type to the Hugging Face order.
func unpermute(data []byte, rows, heads int) []byte {
	out := make([]byte, 0, len(data))
	size := len(data) / rows
	for i := range rows {
		at := rowInFile(i, rows, heads) * size
		out = append(out, data[at:at+size]...)
	}
	return out
}

// dequantizeRows returns the jobs that convert a tensor, some thousands of elements each.
func dequantizeRows(t gguf.Tensor, out []byte, shape []int, heads int) []func() error {
	const jobSize = 1 << 18
	if len(shape) == 1 { // a bias, permuted or not
		return []func() error{func() error {
			if err := t.Dequantize(out, 0, shape[0]); err != nil || heads == 0 {
				return err
			}
			copy(out, unpermute(out, shape[0], heads))
			return nil
		}}
	}
	rows, width := shape[0], t.Elements()/shape[0]
	step := max(1, jobSize/width)
	var jobs []func() error
	for from := 0; from < rows; from += step {
		to := min(rows, from+step)
		jobs = append(jobs, func() error {
			if heads == 0 {
				return t.Dequantize(out[4*from*width:4*to*width], from*width, to*width)
			}
			for i := from; i < to; i++ {
				at := rowInFile(i, rows, heads)
				if err := t.Dequantize(out[4*i*width:4*(i+1)*width], at*width, (at+1)*width); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return jobs
}

// parallel runs the jobs on all processors and returns the first error.
func parallel(ctx context.Context, jobs []func() error) error {
	var (
		wg    sync.WaitGroup
		once  sync.Once
		first error
	)
	todo := make(chan func() error)
	stop := make(chan struct{})
	fail := func(err error) { once.Do(func() { first = err; close(stop) }) }
	for range min(runtime.GOMAXPROCS(0), len(jobs)) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for job := range todo {
				if err := job(); err != nil {
					fail(err)
				}
			}
		}()
	}
	for _, job := range jobs {
		select {
		case todo <- job:
			continue
		case <-ctx.Done():
			fail(ctx.Err())
		case <-stop:
		}
		break
	}
	close(todo)
	wg.Wait()
	return first
}
