// Package safetensors reads and writes small safetensors files. Everything in a header is distrusted: sizes, offsets, shapes.
package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
)

// ErrFormat is in the chain of every error about bytes that are not a valid safetensors file.
var ErrFormat = errors.New("not a valid safetensors file")

// maxHeader is the largest header that the reference implementation accepts, in bytes.
const maxHeader = 100_000_000

// widths are the bytes per element of the format's types.
var widths = map[string]int64{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
	"U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}

// Info describes one tensor of a file.
type Info struct {
	Name string
	// DType is the format's own name of the element type, e.g. "F32", "BF16".
	DType string
	Shape []int
	// Begin and End are the tensor's bytes, counted from the start of the file.
	Begin, End int64
}

// Header is what stands before the tensors' bytes.
type Header struct {
	// Tensors are in the order of their bytes.
	Tensors  []Info
	Metadata map[string]string
}

// ParseHeader reads the header of a file of size bytes from its start. It checks that every tensor's bytes lie within the file, fit
// its shape, and that together they cover the file without holes or overlaps.
func ParseHeader(r io.Reader, size int64) (*Header, error) {
	var lead [8]byte
	if _, err := io.ReadFull(r, lead[:]); err != nil {
		return nil, fmt.Errorf("%w: %d bytes are too few for a header length", ErrFormat, size)
	}
	n := binary.LittleEndian.Uint64(lead[:])
	if n > maxHeader || size < 8 || n > uint64(size-8) {
		return nil, fmt.Errorf("%w: header of %d bytes in a file of %d (truncated, or another format)", ErrFormat, n, size)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, fmt.Errorf("%w: header ends early: %w", ErrFormat, err)
	}
	h := &Header{}
	if err := h.parse(text); err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrFormat, err)
	}
	start := int64(8 + n)
	end := start
	for i := range h.Tensors {
		t := &h.Tensors[i]
		if t.Begin > math.MaxInt64-start || t.End > size-start {
			return nil, fmt.Errorf("%w: tensor %q ends at byte %d of %d (truncated file?)", ErrFormat, t.Name, t.End, size-start)
		}
		t.Begin, t.End = t.Begin+start, t.End+start
		if t.Begin != end {
			return nil, fmt.Errorf("%w: tensor %q starts at byte %d, not at %d where the one before ends", ErrFormat, t.Name, t.Begin, end)
		}
		end = t.End
	}
	if end != size {
		return nil, fmt.Errorf("%w: %d bytes after the last tensor", ErrFormat, size-end)
	}
	return h, nil
}

func (h *Header) parse(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errors.New("not a JSON object")
	}
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		name, ok := t.(string)
		if !ok || seen[name] {
			return fmt.Errorf("tensor %v is named twice", t)
		}
		seen[name] = true
		if name == "__metadata__" {
			if err := dec.Decode(&h.Metadata); err != nil {
				return fmt.Errorf("__metadata__: %w", err)
			}
			continue
		}
		info, err := decodeInfo(dec, name)
		if err != nil {
			return err
		}
		h.Tensors = append(h.Tensors, info)
	}
	if _, err := dec.Token(); err != nil {
		return err
	}
	if rest, err := io.ReadAll(dec.Buffered()); err != nil || len(bytes.TrimRight(rest, " \x00")) != 0 {
		return errors.New("bytes after the JSON object")
	}
	sort.SliceStable(h.Tensors, func(i, j int) bool {
		a, b := h.Tensors[i], h.Tensors[j]
		return a.Begin < b.Begin || a.Begin == b.Begin && a.End < b.End
	})
	return nil
}

func decodeInfo(dec *json.Decoder, name string) (Info, error) {
	var entry struct {
		DType   string   `json:"dtype"`
		Shape   []int64  `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	if err := dec.Decode(&entry); err != nil {
		return Info{}, fmt.Errorf("tensor %q: %w", name, err)
	}
	bytesEach, ok := widths[entry.DType]
	if !ok {
		return Info{}, fmt.Errorf("tensor %q: unknown element type %q", name, entry.DType)
	}
	begin, end := entry.Offsets[0], entry.Offsets[1]
	if begin < 0 || end < begin {
		return Info{}, fmt.Errorf("tensor %q: byte range %d to %d", name, begin, end)
	}
	want, shape := bytesEach, make([]int, len(entry.Shape))
	for i, d := range entry.Shape {
		if d < 0 || d > math.MaxInt32 || d > 0 && want > math.MaxInt64/d {
			return Info{}, fmt.Errorf("tensor %q: shape %v is impossible", name, entry.Shape)
		}
		want *= d
		shape[i] = int(d)
	}
	if end-begin != want {
		return Info{}, fmt.Errorf("tensor %q: shape %v of %s needs %d bytes, the header gives it %d", name, entry.Shape, entry.DType, want, end-begin)
	}
	return Info{Name: name, DType: entry.DType, Shape: shape, Begin: begin, End: end}, nil
}
