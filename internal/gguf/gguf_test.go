package gguf

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"os"
	"strings"
	"testing"
)

// The golden blocks come from the gguf Python package (scripts/golden/backbones.py). Sums are in another order there than here for no format,
// so the bits are the same.
func TestDequantizeEqualsReference(t *testing.T) {
	text, err := os.ReadFile("testdata/quants.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]struct{ Raw, Float32 string }
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	for kind, f := range formats {
		if f.decode == nil {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			g, ok := golden[f.name]
			if !ok {
				t.Fatal("no golden blocks")
			}
			raw, err1 := hex.DecodeString(g.Raw)
			want, err2 := hex.DecodeString(g.Float32)
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			tensor := Tensor{Name: "x", Type: kind, Shape: []int{len(want) / 4}, Data: raw}
			got := make([]byte, len(want))
			if err := tensor.Dequantize(got, 0, len(want)/4); err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(want); i += 4 {
				a := math.Float32frombits(binary.LittleEndian.Uint32(got[i:]))
				b := math.Float32frombits(binary.LittleEndian.Uint32(want[i:]))
				if a != b {
					t.Fatalf("element %d is %v, the reference says %v", i/4, a, b)
				}
			}
			// A part read alone is the same as within the whole.
			part := make([]byte, 4*f.block)
			if err := tensor.Dequantize(part, f.block, 2*f.block); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(part, got[4*f.block:]) {
				t.Error("the second block alone reads differently")
			}
		})
	}
}

func TestDequantizeFloats(t *testing.T) {
	raw := binary.LittleEndian.AppendUint16(nil, 0x3C00) // 1 in float16
	raw = binary.LittleEndian.AppendUint16(raw, 0x0001)  // its smallest subnormal
	raw = binary.LittleEndian.AppendUint16(raw, 0xFC00)  // minus infinity
	raw = binary.LittleEndian.AppendUint16(raw, 0xC100)
	for kind, want := range map[Type][]float32{
		F16:  {1, 1.0 / (1 << 24), float32(math.Inf(-1)), -2.5},
		BF16: {0x1p-7, 0x1p-133, -0x1p+121, -8},
	} {
		got, err := Tensor{Type: kind, Shape: []int{4}, Data: raw}.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s element %d (%04x) is %v, want %v", kind, i, raw[2*i:2*i+2], got[i], want[i])
			}
		}
	}
}

func TestDequantizeRefusesWrongRanges(t *testing.T) {
	x := Tensor{Type: Q8_0, Shape: []int{64}, Data: make([]byte, 68)}
	for _, r := range [][2]int{{-32, 0}, {0, 96}, {32, 0}, {0, 16}, {16, 32}} {
		if err := x.Dequantize(make([]byte, max(0, 4*(r[1]-r[0]))), r[0], r[1]); err == nil {
			t.Errorf("elements %d to %d are read", r[0], r[1])
		}
	}
	if err := x.Dequantize(make([]byte, 12), 0, 32); err == nil {
		t.Error("a buffer of the wrong size is filled")
	}
	if _, err := (Tensor{Type: 26, Shape: []int{1}, Data: make([]byte, 4)}).Float32s(); err == nil {
		t.Error("integers are read as weights")
	}
}

// builder writes GGUF files, right and wrong.
type builder struct{ bytes.Buffer }

func (b *builder) put(vs ...any) *builder {
	for _, v := range vs {
		if s, ok := v.(string); ok {
			b.put(uint64(len(s)))
			b.WriteString(s)
			continue
		}
		if err := binary.Write(b, binary.LittleEndian, v); err != nil {
			panic(err)
		}
	}
	return b
}

func header(tensors, pairs uint64) *builder {
	return (&builder{}).put(uint32(magic), uint32(3), tensors, pairs)
}

// small is a valid file: two metadata pairs, two tensors.
func small() []byte {
	b := header(2, 2)
	b.put("general.architecture", uint32(tagString), "llama")
	b.put("list", uint32(tagArray), uint32(tagInt32), uint64(3), []int32{1, -2, 3})
	b.put("a", uint32(2), uint64(3), uint64(2), uint32(F32), uint64(0))
	b.put("b", uint32(1), uint64(32), uint32(Q8_0), uint64(32))
	for b.Len()%32 != 0 {
		b.WriteByte(0)
	}
	b.put([]float32{1, 2, 3, 4, 5, 6}, [8]byte{})
	b.put(uint16(0x3C00), make([]int8, 32))
	return b.Bytes()
}

func TestParse(t *testing.T) {
	f, err := Parse(small())
	if err != nil {
		t.Fatal(err)
	}
	if f.Text("general.architecture") != "llama" {
		t.Errorf("architecture %q", f.Text("general.architecture"))
	}
	if l, ok := f.Meta["list"].([]int32); !ok || len(l) != 3 || l[1] != -2 {
		t.Errorf("list is %v", f.Meta["list"])
	}
	a := f.Tensors["a"]
	if len(a.Shape) != 2 || a.Shape[0] != 2 || a.Shape[1] != 3 {
		t.Errorf("shape %v, want [2 3]: the axes turned round", a.Shape)
	}
	if v, err := a.Float32s(); err != nil || v[5] != 6 {
		t.Errorf("elements %v, %v", v, err)
	}
	if len(f.Tensors["b"].Data) != 34 {
		t.Errorf("b has %d bytes", len(f.Tensors["b"].Data))
	}
}

// Wherever a file is cut off, the error says so.
func TestParseTruncated(t *testing.T) {
	whole := small()
	for n := range whole {
		_, err := Parse(whole[:n:n])
		if !errors.Is(err, ErrTruncated) || !errors.Is(err, ErrFormat) {
			t.Fatalf("the first %d of %d bytes: %v", n, len(whole), err)
		}
	}
}

func TestParseHostile(t *testing.T) {
	const huge = math.MaxUint64
	tensor := func(name string, dims []uint64, kind Type, offset uint64) []any {
		return []any{name, uint32(len(dims)), dims, uint32(kind), offset}
	}
	data := make([]byte, 256)
	cases := map[string]struct {
		file *builder
		says string
	}{
		"another format":     {(&builder{}).put([]byte("PK\x03\x04 and so on and on and on")), "not with GGUF"},
		"version 1":          {(&builder{}).put(uint32(magic), uint32(1), uint64(0), uint64(0)), "version 1"},
		"big-endian":         {(&builder{}).put(uint32(magic), uint32(3<<24), uint64(0), uint64(0)), "version"},
		"endless pairs":      {header(0, huge), "ends early"},
		"endless tensors":    {header(huge, 0), "ends early"},
		"endless key":        {header(0, 1).put(uint64(huge)), "name of"},
		"endless string":     {header(0, 1).put("k", uint32(tagString), uint64(huge)), "ends early"},
		"endless array":      {header(0, 1).put("k", uint32(tagArray), uint32(tagInt64), uint64(huge)), "ends early"},
		"array of 2^61":      {header(0, 1).put("k", uint32(tagArray), uint32(tagInt64), uint64(1<<61)), "ends early"},
		"array of arrays":    {header(0, 1).put("k", uint32(tagArray), uint32(tagArray), uint64(1)), "array of value type"},
		"unknown value":      {header(0, 1).put("k", uint32(77)), "value type 77"},
		"key twice":          {header(0, 2).put("k", uint32(tagBool), true, "k", uint32(tagBool), true), "stands twice"},
		"nine axes":          {header(1, 0).put("t", uint32(9)), "9 axes"},
		"four billion axes":  {header(1, 0).put("t", uint32(math.MaxUint32)), "axes"},
		"endless axis":       {header(1, 0).put(tensor("t", []uint64{huge}, F32, 0)...).put(data), "axis"},
		"overflowing axes":   {header(1, 0).put(tensor("t", []uint64{1 << 30, 1 << 30, 1 << 30}, F32, 0)...).put(data), "axis"},
		"endless offset":     {header(1, 0).put(tensor("t", []uint64{1}, F32, huge-31)...).put(data), "starts at byte"},
		"offset past end":    {header(1, 0).put(tensor("t", []uint64{1}, F32, 1<<40)...).put(data), "ends early"},
		"offset unaligned":   {header(1, 0).put(tensor("t", []uint64{1}, F32, 4)...).put(data), "multiple of 32"},
		"overlap":            {header(2, 0).put(tensor("t", []uint64{16}, F32, 0)...).put(tensor("u", []uint64{16}, F32, 32)...).put(data), "within"},
		"tensor twice":       {header(2, 0).put(tensor("t", []uint64{8}, F32, 0)...).put(tensor("t", []uint64{8}, F32, 32)...).put(data), "stands twice"},
		"unknown type":       {header(1, 0).put(tensor("t", []uint64{8}, 99, 0)...).put(data), "type 99"},
		"type not read":      {header(1, 0).put(tensor("t", []uint64{256}, 16, 0)...).put(data), "IQ2_XXS"},
		"half a block":       {header(1, 0).put(tensor("t", []uint64{16}, Q4_0, 0)...).put(data), "blocks of 32"},
		"alignment 0":        {header(1, 1).put("general.alignment", uint32(tagUint32), uint32(0)).put(tensor("t", []uint64{1}, F32, 0)...).put(data), "alignment"},
		"alignment 2^31":     {header(1, 1).put("general.alignment", uint32(tagUint32), uint32(1<<31)).put(tensor("t", []uint64{1}, F32, 0)...).put(data), "alignment"},
		"alignment in words": {header(1, 1).put("general.alignment", uint32(tagString), "32").put(tensor("t", []uint64{1}, F32, 0)...).put(data), "alignment"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f, err := Parse(c.file.Bytes())
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("error %v, file %+v", err, f)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %q does not say %q", err, c.says)
			}
		})
	}
}

// Whatever the bytes, Parse returns, and what it returns can be read.
func FuzzParse(f *testing.F) {
	f.Add(small())
	f.Add([]byte("GGUF"))
	f.Add(header(1, 0).put("t", uint32(1), uint64(8), uint32(F32), uint64(0), make([]byte, 64)).Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("error without ErrFormat: %v", err)
			}
			return
		}
		for name, x := range file.Tensors {
			if x.Elements() > 16*len(data) && len(x.Data) > 0 {
				t.Fatalf("tensor %q of %v in a file of %d bytes", name, x.Shape, len(data))
			}
			if !x.Type.Numeric() {
				continue
			}
			if _, err := x.Float32s(); err != nil {
				t.Fatalf("tensor %q (%s %v) was accepted and cannot be read: %v", name, x.Type, x.Shape, err)
			}
		}
	})
}
