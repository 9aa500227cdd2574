// Package gguf reads GGUF model files (versions 2 and 3, little-endian) from memory: metadata, tensor descriptions, and the
// elements of float and quantized tensors. Everything in a file is distrusted: counts, lengths, offsets, types.
//
// It is not go-huggingface's reader because that one keeps its dequantizers to itself, hands tensors out only one by one
// through GoMLX buffers, links a hub client into every user, and allocates by counts it has not checked against the file.
package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sort"
)

// ErrFormat is in the chain of every error about bytes that are not a valid GGUF file.
var ErrFormat = errors.New("not a valid GGUF file")

// ErrTruncated is in the chain of errors about a file that ends before what it announces. Such errors have ErrFormat too.
var ErrTruncated = errors.New("the file ends early")

const (
	magic            = 0x46554747 // "GGUF", little-endian
	defaultAlignment = 32
	maxDims          = 8
	maxName          = 1 << 16
)

// Tensor is one tensor of a file.
type Tensor struct {
	Name string
	Type Type
	// Shape is row-major: the last axis is contiguous (GGUF itself lists axes the other way round).
	Shape []int
	// Data are the tensor's bytes, a part of what was parsed.
	Data []byte
}

// Elements is the number of elements.
func (t Tensor) Elements() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// File is a parsed file. It points into the bytes it was parsed from.
type File struct {
	Version uint32
	// Meta has the metadata: uint8 to uint64, int8 to int64, float32, float64, bool, string, or a slice of one of these.
	Meta map[string]any
	// Tensors are the tensors by name.
	Tensors map[string]Tensor
}

type rawTensor struct {
	Tensor
	offset, size uint64
}

// Parse reads the header of a whole file in memory. Every tensor's bytes lie within the file and no two overlap.
func Parse(data []byte) (*File, error) {
	r := &reader{data: data}
	f := &File{Meta: map[string]any{}, Tensors: map[string]Tensor{}}
	if m := r.u32(); r.err == nil && m != magic {
		return nil, fmt.Errorf("%w: it starts with %q, not with GGUF", ErrFormat, data[:4])
	}
	f.Version = r.u32()
	if r.err == nil && (f.Version < 2 || f.Version > 3) {
		return nil, fmt.Errorf("%w: version %d (versions 2 and 3, little-endian, are read)", ErrFormat, f.Version)
	}
	tensors, pairs := r.u64(), r.u64()
	for i := uint64(0); i < pairs && r.err == nil; i++ {
		key := r.name()
		v := r.value(r.u32())
		if r.err != nil {
			return nil, fmt.Errorf("%w: metadata pair %d of %d (key %q): %w", ErrFormat, i+1, pairs, key, r.err)
		}
		if _, dup := f.Meta[key]; dup {
			return nil, fmt.Errorf("%w: metadata key %q stands twice", ErrFormat, key)
		}
		f.Meta[key] = v
	}
	var raw []rawTensor
	for i := uint64(0); i < tensors && r.err == nil; i++ {
		t, err := r.tensor()
		if err != nil {
			return nil, fmt.Errorf("%w: tensor %d of %d: %w", ErrFormat, i+1, tensors, err)
		}
		raw = append(raw, t)
	}
	if r.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, r.err)
	}
	if err := f.place(raw, data, uint64(r.at)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return f, nil
}

// place finds every tensor's bytes in the data section, which starts at the first aligned byte after the header's end.
func (f *File) place(raw []rawTensor, data []byte, header uint64) error {
	align := uint64(defaultAlignment)
	if v, ok := f.Meta["general.alignment"]; ok {
		a, isInt := asUint(v)
		if !isInt || a == 0 || a > 1<<20 || a&(a-1) != 0 {
			return fmt.Errorf("alignment %v is not a power of two", v)
		}
		align = a
	}
	start := (header + align - 1) / align * align
	sort.SliceStable(raw, func(i, j int) bool { return raw[i].offset < raw[j].offset })
	var last uint64
	for i, t := range raw {
		room := uint64(0)
		if uint64(len(data)) > start {
			room = uint64(len(data)) - start
		}
		switch {
		case t.offset%align != 0:
			return fmt.Errorf("tensor %q starts at byte %d, which is not a multiple of %d", t.Name, t.offset, align)
		case t.offset > room || t.size > room-t.offset:
			return fmt.Errorf("%w: tensor %q (%s %v) needs bytes %d to %d of the data, which has %d", ErrTruncated, t.Name, t.Type, t.Shape, t.offset, t.offset+t.size, room)
		case t.offset < last:
			return fmt.Errorf("tensor %q starts at byte %d, within %q, which ends at %d", t.Name, t.offset, raw[i-1].Name, last)
		}
		last = t.offset + t.size
		if _, dup := f.Tensors[t.Name]; dup {
			return fmt.Errorf("tensor %q stands twice", t.Name)
		}
		t.Data = data[start+t.offset : start+last : start+last]
		f.Tensors[t.Name] = t.Tensor
	}
	return nil
}

// reader takes values off a byte slice; after the first error it returns zeros.
type reader struct {
	data []byte
	at   int
	err  error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// take returns the next n bytes, or nil after an error.
func (r *reader) take(n uint64) []byte {
	if r.err != nil {
		return nil
	}
	if left := uint64(len(r.data) - r.at); n > left {
		r.fail(fmt.Errorf("%w: %d bytes wanted at byte %d, %d are left", ErrTruncated, n, r.at, left))
		return nil
	}
	b := r.data[r.at : r.at+int(n)]
	r.at += int(n)
	return b
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) str() string { return string(r.take(r.u64())) }

func (r *reader) name() string {
	n := r.u64()
	if n > maxName {
		r.fail(fmt.Errorf("a name of %d bytes", n))
	}
	return string(r.take(n))
}

func (r *reader) tensor() (rawTensor, error) {
	t := rawTensor{}
	t.Name = r.name()
	n := r.u32()
	if r.err == nil && n > maxDims {
		return t, fmt.Errorf("%q has %d axes", t.Name, n)
	}
	elements := uint64(1)
	t.Shape = make([]int, min(n, maxDims))
	for i := range t.Shape {
		d := r.u64()
		if r.err == nil && (d > math.MaxInt32 || d > 0 && elements > math.MaxInt64/16/d) {
			return t, fmt.Errorf("%q has an axis of %d", t.Name, d)
		}
		elements *= d
		t.Shape[len(t.Shape)-1-i] = int(d)
	}
	t.Type = Type(r.u32())
	t.offset = r.u64()
	if r.err != nil {
		return t, fmt.Errorf("%q: %w", t.Name, r.err)
	}
	block, size := t.Type.layout()
	if block == 0 {
		return t, fmt.Errorf("%q has element type %s, which is not supported", t.Name, t.Type)
	}
	row := 1
	if len(t.Shape) > 0 {
		row = t.Shape[len(t.Shape)-1]
	}
	if row%block != 0 {
		return t, fmt.Errorf("%q has rows of %d elements, which %s stores in blocks of %d", t.Name, row, t.Type, block)
	}
	t.size = elements / uint64(block) * uint64(size)
	if t.offset > math.MaxInt64-t.size {
		return t, fmt.Errorf("%q starts at byte %d", t.Name, t.offset)
	}
	return t, nil
}
