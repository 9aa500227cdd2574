package safetensors

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"

	"lsat/internal/halffloat"
)

// Tensor is a float32 tensor in memory, row-major.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
}

// ReadFile reads a file's tensors, in the order of their bytes, with F16 and BF16 widened to float32. Other types are an error. Errors about the content have
// ErrFormat in their chain.
func ReadFile(path string) ([]Tensor, map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s: not a regular file", path)
	}
	h, err := ParseHeader(f, st.Size())
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	tensors := make([]Tensor, 0, len(h.Tensors))
	for _, info := range h.Tensors {
		raw := make([]byte, info.End-info.Begin)
		if _, err := f.ReadAt(raw, info.Begin); err != nil {
			return nil, nil, fmt.Errorf("%s: tensor %q: %w", path, info.Name, err)
		}
		data, err := Float32s(info.DType, raw)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: tensor %q: %w", path, info.Name, err)
		}
		tensors = append(tensors, Tensor{Name: info.Name, Shape: info.Shape, Data: data})
	}
	return tensors, h.Metadata, nil
}

// Float32s decodes little-endian elements of type F32, F16 or BF16.
func Float32s(dtype string, raw []byte) ([]float32, error) {
	switch dtype {
	case "F32":
		out := make([]float32, len(raw)/4)
		for i := range out {
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		return out, nil
	case "BF16":
		out := make([]float32, len(raw)/2)
		for i := range out {
			out[i] = halffloat.FromBF16(binary.LittleEndian.Uint16(raw[2*i:]))
		}
		return out, nil
	case "F16":
		out := make([]float32, len(raw)/2)
		for i := range out {
			out[i] = halffloat.FromF16(binary.LittleEndian.Uint16(raw[2*i:]))
		}
		return out, nil
	}
	return nil, fmt.Errorf("element type %s is not one of F32, F16, BF16", dtype)
}

// Write writes tensors as F32, in the order given, with the metadata.
func Write(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	infos := make([]Info, len(tensors))
	for i, t := range tensors {
		n := int64(1)
		for _, d := range t.Shape {
			n *= int64(d)
		}
		if n != int64(len(t.Data)) {
			return fmt.Errorf("tensor %q: shape %v does not fit %d elements", t.Name, t.Shape, len(t.Data))
		}
		infos[i] = Info{Name: t.Name, DType: "F32", Shape: t.Shape}
	}
	if err := WriteHeader(w, infos, metadata); err != nil {
		return err
	}
	for _, t := range tensors {
		if err := binary.Write(w, binary.LittleEndian, t.Data); err != nil {
			return err
		}
	}
	return nil
}

// WriteHeader writes what stands before the tensors' bytes; those come next, in the order given, row-major and little-endian. Where
// they begin and end follows from DType and Shape: Begin and End are not read.
func WriteHeader(w io.Writer, tensors []Info, metadata map[string]string) error {
	type entry struct {
		DType   string   `json:"dtype"`
		Shape   []int    `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	header := make(map[string]any, len(tensors)+1)
	if len(metadata) > 0 {
		header["__metadata__"] = metadata
	}
	var at int64
	for _, t := range tensors {
		n, ok := widths[t.DType]
		if !ok {
			return fmt.Errorf("tensor %q: unknown element type %q", t.Name, t.DType)
		}
		for _, d := range t.Shape {
			n *= int64(d)
		}
		if _, dup := header[t.Name]; dup || t.Name == "__metadata__" {
			return fmt.Errorf("tensor %q is named twice", t.Name)
		}
		header[t.Name] = entry{t.DType, append([]int{}, t.Shape...), [2]int64{at, at + n}}
		at += n
	}
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	for len(text)%8 != 0 { // readers map the elements, so they must start aligned
		text = append(text, ' ')
	}
	if err := binary.Write(w, binary.LittleEndian, uint64(len(text))); err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}
