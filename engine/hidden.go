package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"lsat/adapter"
	"lsat/internal/atomicfile"
	"lsat/internal/mmap"
	"lsat/prompt"
)

// Freezer is a Runner that can compute what lies below an adapter once for many jobs.
type Freezer interface {
	Runner
	// Freeze computes the hidden states of the sequences at the input of a layer, stores them in dir and sets every sequence's Hidden to
	// them: Score and Gradient, with adapters of that layer and above, then start there. States that dir holds already, for the same
	// sequences in the same order, are read instead; a damaged file is made again. The states are valid until the closer is closed.
	// The same list of sequences always has the same bits, another list that shares sequences with it may differ in the last ones.
	Freeze(ctx context.Context, seqs []prompt.Sequence, layer int, dir string, progress Progress) (io.Closer, error)
}

var _ Freezer = (*Engine)(nil)

const hiddenHeader = "lsat hidden 1\n\n\n" // 16 bytes, so that what follows is aligned

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Freeze implements Freezer. The file is the header, the states of one sequence after the other, and a CRC-32C of them.
func (e *Engine) Freeze(ctx context.Context, seqs []prompt.Sequence, layer int, dir string, progress Progress) (io.Closer, error) {
	if layer < 1 || layer >= e.model.Config.Layers {
		return nil, fmt.Errorf("engine: hidden states of layer %d asked for, those of 1 to %d can be kept", layer, e.model.Config.Layers-1)
	}
	if err := check(seqs, e.model.Config.Vocab, e.model.Config.MaxSeq); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, e.hiddenKey(seqs, layer)+".hidden")
	size := 0
	for i := range seqs {
		size += len(seqs[i].Tokens) * e.hiddenWidth()
	}
	file, err := openHidden(path, size)
	if err != nil {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("engine: hidden states: %w", err)
		}
		if err := e.writeHidden(ctx, seqs, layer, path, progress); err != nil {
			return nil, err
		}
		if file, err = openHidden(path, size); err != nil {
			return nil, fmt.Errorf("engine: hidden states: %w", err)
		}
	}
	at := len(hiddenHeader)
	for i := range seqs {
		n := len(seqs[i].Tokens) * e.hiddenWidth()
		seqs[i].Hidden = &prompt.Hidden{Layer: layer, Rows: file.Data[at : at+n]}
		at += n
	}
	return file, nil
}

// hiddenWidth is the size of one token's hidden state in bytes.
func (e *Engine) hiddenWidth() int { return e.model.Config.Hidden * e.dtype.Size() }

// hiddenKey is the hash of what decides the states: the model, the numerics, the layer, and what attention sees of the sequences.
func (e *Engine) hiddenKey(seqs []prompt.Sequence, layer int) string {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%s\n%s\n%d\n%d\n", e.BackboneHash(), e.Numerics(), layer, len(seqs))
	for i := range seqs {
		s := &seqs[i]
		hashInts(h, s.Tokens)
		hashInts(h, s.Steps)
		hashInts(h, []int32{s.Window, int32(s.Header)})
	}
	return hex.EncodeToString(h.Sum(nil))
}

func hashInts(h hash.Hash, v []int32) {
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+4*len(v)), uint32(len(v)))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, uint32(x))
	}
	_, _ = h.Write(b)
}

// frozenAtOnce bounds how many sequences' states are in memory before they are written.
const frozenAtOnce = 128

func (e *Engine) writeHidden(ctx context.Context, seqs []prompt.Sequence, layer int, path string, progress Progress) error {
	j := &job{engine: e}
	j.open(nil)
	total, done := countTargets(seqs), 0
	return atomicfile.Write(path, 0o644, func(w io.Writer) error {
		if _, err := io.WriteString(w, hiddenHeader); err != nil {
			return err
		}
		sum := crc32.New(castagnoli)
		w2 := io.MultiWriter(w, sum)
		for lo := 0; lo < len(seqs); lo += frozenAtOnce {
			part := seqs[lo:min(lo+frozenAtOnce, len(seqs))]
			rows, err := j.freeze(ctx, part, layer)
			if err != nil {
				return err
			}
			for i, r := range rows {
				if _, err := w2.Write(r); err != nil {
					return err
				}
				done += len(part[i].Targets)
			}
			if progress != nil {
				progress(done, total)
			}
		}
		return binary.Write(w, binary.LittleEndian, uint64(sum.Sum32()))
	})
}

// freeze returns the states of a few sequences.
func (j *job) freeze(ctx context.Context, seqs []prompt.Sequence, layer int) ([][]byte, error) {
	width := j.engine.hiddenWidth()
	out := make([][]byte, len(seqs))
	batches := pack(seqs, j.engine.packing(true, false))
	err := j.engine.each(batches, func(r *replica, i int) (any, error) {
		p, err := j.pass(ctx, r, seqs, batches[i], 0)
		if err != nil {
			return nil, err
		}
		defer p.close()
		t, err := p.states(ctx, layer)
		if err != nil {
			return nil, err
		}
		var data []byte
		if err := t.ConstBytes(func(b []byte) { data = slices.Clone(b) }); err != nil {
			return nil, fmt.Errorf("engine: reading hidden states: %w", err)
		}
		return data, nil
	}, func(i int, result any) error {
		b, data := batches[i], result.([]byte)
		for _, p := range b.paths {
			states := make([]byte, 0, len(p.at)*width)
			for _, at := range p.at {
				states = append(states, data[int(at)*width:(int(at)+1)*width]...)
			}
			out[p.sequence] = states
		}
		return nil
	})
	return out, err
}

// openHidden maps a file of size bytes of states, whole and undamaged.
func openHidden(path string, size int) (*mmap.File, error) {
	f, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	if len(f.Data) != len(hiddenHeader)+size+8 || !bytes.HasPrefix(f.Data, []byte(hiddenHeader)) {
		_ = f.Close()
		return nil, fmt.Errorf("%s: not %d bytes of hidden states", path, size)
	}
	body, sum := f.Data[len(hiddenHeader):len(hiddenHeader)+size], f.Data[len(hiddenHeader)+size:]
	if uint64(crc32.Checksum(body, castagnoli)) != binary.LittleEndian.Uint64(sum) {
		_ = f.Close()
		return nil, fmt.Errorf("%s: damaged", path)
	}
	return f, nil
}

// from is the layer at which a call starts: that of its sequences' hidden states, where all have them and the adapter does not
// reach below.
func (e *Engine) from(seqs []prompt.Sequence, a *adapter.Adapter) (int, error) {
	if len(seqs) == 0 || seqs[0].Hidden == nil {
		return 0, nil
	}
	layer := seqs[0].Hidden.Layer
	for i := range seqs {
		h := seqs[i].Hidden
		if h == nil || h.Layer != layer {
			return 0, nil
		}
		if want := len(seqs[i].Tokens) * e.hiddenWidth(); len(h.Rows) != want {
			return 0, fmt.Errorf("engine: sequence %d has %d bytes of hidden states, this model has %d: they are another engine's", i, len(h.Rows), want)
		}
	}
	if a != nil {
		if keys := a.Keys(); len(keys) > 0 && keys[0].Layer < layer { // they come layer by layer
			return 0, nil
		}
	}
	return layer, nil
}

// hiddenStates lays the hidden states of a batch's sequences out, [rows*time, hidden].
func (e *Engine) hiddenStates(device compute.DeviceNum, seqs []prompt.Sequence, b *batch) (*tensors.Tensor, error) {
	width := e.hiddenWidth()
	data := make([]byte, b.rows*b.time*width)
	for _, p := range slices.Backward(b.paths) { // the first sequence gives what it shares with others
		rows := seqs[p.sequence].Hidden.Rows
		for k, at := range p.at {
			copy(data[int(at)*width:], rows[k*width:(k+1)*width])
		}
	}
	t, err := tensors.FromRaw(e.backend, device, shapes.Make(e.dtype, b.rows*b.time, e.model.Config.Hidden), data)
	if err != nil {
		return nil, fmt.Errorf("engine: hidden states: %w", err)
	}
	return t, nil
}
