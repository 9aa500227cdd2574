package adapter

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lsat/internal/gguf"
)

const goldenGGUF = "testdata/peft/all-linear.gguf"

// The same adapter, once as PEFT saved it and once as the gguf package wrote it with the reordering of llama.cpp's converter.
func TestGGUFAgreesWithTheReferenceWriter(t *testing.T) {
	want, err := Read("testdata/peft/all-linear")
	if err != nil {
		t.Fatal(err)
	}
	got, arch, err := ReadGGUF(goldenGGUF, 4, 2)
	if err != nil {
		t.Fatal(err)
	}
	if arch != "llama" || !got.Equal(want) {
		t.Errorf("architecture %q, configuration %+v, want %+v", arch, got.Config, want.Config)
	}
	path := filepath.Join(t.TempDir(), "x.gguf")
	if err := WriteGGUF(path, want, "llama", 4, 2); err != nil {
		t.Fatal(err)
	}
	ours, theirs := parseGGUF(t, path), parseGGUF(t, goldenGGUF)
	if len(ours.Tensors) != len(theirs.Tensors) {
		t.Errorf("%d tensors, the reference has %d", len(ours.Tensors), len(theirs.Tensors))
	}
	for name, x := range theirs.Tensors {
		y := ours.Tensors[name]
		if x.Type != y.Type || len(y.Shape) != 2 || x.Shape[0] != y.Shape[0] || x.Shape[1] != y.Shape[1] || !bytes.Equal(x.Data, y.Data) {
			t.Errorf("%s differs: %v %v, reference %v %v", name, y.Type, y.Shape, x.Type, x.Shape)
		}
	}
	for key, v := range theirs.Meta {
		if ours.Meta[key] != v {
			t.Errorf("%s = %v, reference %v", key, ours.Meta[key], v)
		}
	}
}

func parseGGUF(t *testing.T, path string) *gguf.File {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestGGUFRoundTrip(t *testing.T) {
	for arch, cfg := range map[string]Config{
		"llama":   {Rank: 3, Alpha: 6, Dropout: -1, Modules: Modules()},
		"mistral": {Rank: 4, Alpha: 2, Dropout: -1, Modules: []string{"k_proj"}},
		"gemma3":  {Rank: 1, Alpha: 16, Dropout: -1},
		"qwen3":   {Rank: 2, Alpha: 16, Dropout: -1, Modules: []string{"down_proj", "q_proj"}},
	} {
		a := random(t, cfg, shapesOf(3), 4)
		a.Base = "org/base"
		path := filepath.Join(t.TempDir(), "a.gguf")
		if err := WriteGGUF(path, a, arch, 4, 2); err != nil {
			t.Fatal(err)
		}
		b, got, err := ReadGGUF(path, 4, 2)
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.Replace(arch, "mistral", "llama", 1); got != want || !a.Equal(b) {
			t.Errorf("%s: %s, %+v", arch, got, b.Config)
		}
		plain := parseGGUF(t, path).Tensors["blk.0.attn_q.weight.lora_b"]
		if f, ok := a.Layers[Key{0, "q_proj"}]; ok {
			rows, err := plain.Float32s()
			if err != nil {
				t.Fatal(err)
			}
			if moved := !(Matrix{f.B.Rows, f.B.Cols, rows}).equal(f.B); moved != (got == "llama") {
				t.Errorf("%s: rows of q reordered: %v", arch, moved)
			}
		}
	}
	rs := random(t, Config{Rank: 9, Alpha: 6, RSLoRA: true}, shapesOf(1), 4) // scale 2: llama.cpp must be told alpha 18
	path := filepath.Join(t.TempDir(), "rs.gguf")
	if err := WriteGGUF(path, rs, "llama", 4, 2); err != nil {
		t.Fatal(err)
	}
	if alpha := parseGGUF(t, path).Meta["adapter.lora.alpha"]; alpha != float32(18) {
		t.Errorf("alpha %v", alpha)
	}
	b, _, err := ReadGGUF(path, 4, 2)
	if err != nil || b.Hash() != rs.Hash() {
		t.Errorf("rsLoRA: %v", err)
	}
}

func TestGGUFRefuses(t *testing.T) {
	a := random(t, Config{Rank: 2}, shapesOf(1), 1)
	path := filepath.Join(t.TempDir(), "a.gguf")
	if err := WriteGGUF(path, a, "gpt2", 4, 2); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "gpt2") {
		t.Errorf("architecture: %v", err)
	}
	for _, heads := range []int{0, -4, 3, 16} { // 16 rows in 16 heads: of odd width
		if err := WriteGGUF(path, a, "llama", heads, 2); !errors.Is(err, ErrShape) {
			t.Errorf("%d heads: %v", heads, err)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a refused adapter left a file: %v", err)
	}
	if _, _, err := ReadGGUF(goldenGGUF, 3, 2); !errors.Is(err, ErrShape) {
		t.Errorf("read with 3 heads: %v", err)
	}
	if _, _, err := ReadGGUF(filepath.Join(t.TempDir(), "none"), 4, 2); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, _, err := ReadGGUF(t.TempDir(), 4, 2); err == nil {
		t.Error("a directory was read")
	}
	whole, err := os.ReadFile(goldenGGUF)
	if err != nil {
		t.Fatal(err)
	}
	damage := func(old, with string) []byte {
		if len(old) != len(with) || !bytes.Contains(whole, []byte(old)) {
			t.Fatalf("%q cannot become %q", old, with)
		}
		return bytes.Replace(whole, []byte(old), []byte(with), 1)
	}
	for says, raw := range map[string][]byte{
		"general.type":          damage("adapter\x0c", "control\x0c"),
		"adapter.type":          damage("\x04\x00\x00\x00\x00\x00\x00\x00lora", "\x04\x00\x00\x00\x00\x00\x00\x00lola"),
		"\"mamba\"":             damage("\x05\x00\x00\x00\x00\x00\x00\x00llama", "\x05\x00\x00\x00\x00\x00\x00\x00mamba"),
		"adapter.lora.alpha is": damage("lora.alpha", "lora.alphb"),
		"is not a LoRA factor":  damage("ffn_up.weight.lora_a", "ffn_no.weight.lora_a"),
		"do not make a pair":    damage("blk.0.ffn_up.weight.lora_a", "blk.8.ffn_up.weight.lora_a"),
		"not a valid GGUF file": []byte("GGUF"),
		"not with GGUF":         []byte("safetensors, perhaps"),
		"needs bytes":           whole[:len(whole)-200],
		"not a LoRA adapter":    damage("general.type", "general.tipe"),
		"metadata pair 1":       whole[:30],
		"stands twice":          damage("blk.1.ffn_up.weight.lora_a", "blk.0.ffn_up.weight.lora_a"),
	} {
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		_, _, err := ReadGGUF(path, 4, 2)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v does not say %q", err, says)
		}
	}
	for n := 0; n < len(whole)-64; n += 1 + n/16 {
		if err := os.WriteFile(path, whole[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ReadGGUF(path, 4, 2); err == nil {
			t.Fatalf("cut to %d of %d bytes, it was read", n, len(whole))
		}
	}
}

func TestThePythonReaderReadsOurGGUF(t *testing.T) {
	a := random(t, Config{Rank: 2, Alpha: 3, Modules: Modules()}, shapesOf(2), 1)
	a.Base = "tiny"
	path := filepath.Join(t.TempDir(), "a.gguf")
	if err := WriteGGUF(path, a, "qwen2", 4, 2); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Fields  map[string]any
		Tensors map[string]struct {
			Type  string
			Shape []int
			Data  []float32
		}
	}
	goldenScript(t, &got, "gguf", path)
	for key, want := range map[string]any{
		"general.architecture": "qwen2", "general.type": "adapter", "adapter.type": "lora", "adapter.lora.alpha": 3., "general.base_model.0.name": "tiny",
	} {
		if got.Fields[key] != want {
			t.Errorf("%s = %v, want %v", key, got.Fields[key], want)
		}
	}
	if len(got.Tensors) != 2*len(a.Layers) {
		t.Errorf("%d tensors", len(got.Tensors))
	}
	for module, name := range ggufNames {
		f, x, y := a.Layers[Key{1, module}], got.Tensors["blk.1."+name+".weight.lora_a"], got.Tensors["blk.1."+name+".weight.lora_b"]
		if len(x.Shape) != 2 || x.Shape[0] != f.A.Cols || x.Shape[1] != 2 || y.Shape[0] != 2 || y.Shape[1] != f.B.Rows || x.Type != "F32" {
			t.Fatalf("%s: %s %v and %v", module, x.Type, x.Shape, y.Shape)
		}
		if !(Matrix{2, f.A.Cols, x.Data}).equal(f.A) || !(Matrix{f.B.Rows, 2, y.Data}).equal(f.B) {
			t.Errorf("%s has other numbers", module)
		}
	}
}
