package backbone_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lsat/backbone"
)

// Each error names the file, the tensor, and the shapes.
func TestLoadNamesWhatIsWrong(t *testing.T) {
	llama := files(t, filepath.Join("testdata", "llama"))
	mistral := files(t, filepath.Join("testdata", "mistral"))
	replace := func(old, now string) func([]byte) []byte {
		return func(b []byte) []byte {
			if !bytes.Contains(b, []byte(old)) {
				t.Fatalf("%q is not there", old)
			}
			return bytes.Replace(b, []byte(old), []byte(now), 1)
		}
	}
	cases := map[string]struct {
		from   []string
		file   string
		change func([]byte) []byte
		is     error
		says   []string
	}{
		"another architecture": {llama, "config.json", replace(`"model_type": "llama"`, `"model_type": "gpt2"`), backbone.ErrUnknownArchitecture, []string{"config.json", "gpt2"}},
		"tensor renamed": {llama, "model.safetensors", replace("layers.1.mlp.up_proj", "layers.1.mlp.up_prox"), backbone.ErrMissingTensor,
			[]string{"model.safetensors", "model.layers.1.mlp.up_proj.weight", "[48 32]"}},
		"one layer more": {llama, "config.json", replace(`"num_hidden_layers": 2`, `"num_hidden_layers": 3`), backbone.ErrMissingTensor, []string{"layers.2."}},
		"wider feed-forward": {llama, "config.json", replace(`"intermediate_size": 48`, `"intermediate_size": 64`), backbone.ErrTensorShape,
			[]string{"model.safetensors", "model.layers.0.mlp.gate_proj.weight", "[48 32]", "[64 32]"}},
		"other vocabulary": {llama, "config.json", replace(`"vocab_size": 96`, `"vocab_size": 100`), backbone.ErrTensorShape, []string{"embed", "[96 32]", "[100 32]"}},
		"shape turned":     {llama, "model.safetensors", replace("[32,48]", "[48,32]"), backbone.ErrTensorShape, []string{"down_proj", "[48 32]", "[32 48]"}},
		"integers":         {llama, "model.safetensors", replace(`"dtype":"F32"`, `"dtype":"I32"`), backbone.ErrUnsupported, []string{"I32"}},
		"cut off":          {llama, "model.safetensors", func(b []byte) []byte { return b[:len(b)-1] }, backbone.ErrTruncated, []string{"model.safetensors"}},
		"cut in header":    {llama, "model.safetensors", func(b []byte) []byte { return b[:100] }, backbone.ErrTruncated, []string{"model.safetensors"}},
		"empty":            {llama, "model.safetensors", func([]byte) []byte { return nil }, backbone.ErrTruncated, []string{"model.safetensors", "empty"}},
		"a web page":       {llama, "model.safetensors", func([]byte) []byte { return []byte("<!doctype html><html>404</html>") }, backbone.ErrFormat, []string{"model.safetensors"}},
		"bytes after":      {llama, "model.safetensors", func(b []byte) []byte { return append(b, 0) }, backbone.ErrFormat, []string{"model.safetensors"}},
		"config cut":       {llama, "config.json", func(b []byte) []byte { return b[:len(b)/2] }, backbone.ErrConfig, []string{"config.json"}},
		"shard cut":        {mistral, "model-00002-of-00003.safetensors", func(b []byte) []byte { return b[:len(b)-7] }, backbone.ErrTruncated, []string{"model-00002-of-00003"}},
		"shard outside":    {mistral, "model.safetensors.index.json", replace(`model-00002-of-00003.safetensors`, `../../etc/passwd`), backbone.ErrFormat, []string{"index.json", "passwd"}},
		"shard absent":     {mistral, "model.safetensors.index.json", replace(`model-00002-of-00003.safetensors`, `model-00009-of-00003.safetensors`), fs.ErrNotExist, []string{"model-00009"}},
		"index no JSON":    {mistral, "model.safetensors.index.json", func(b []byte) []byte { return b[1:] }, backbone.ErrFormat, []string{"index.json"}},
		"index empty":      {mistral, "model.safetensors.index.json", func([]byte) []byte { return []byte("{}") }, backbone.ErrFormat, []string{"weight_map"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := copyModel(t, c.from...)
			edit(t, filepath.Join(dir, c.file), c.change)
			check(t, dir, backbone.Options{NoTokenizer: true}, c.is, c.says)
		})
	}
}

func check(t *testing.T, path string, opts backbone.Options, is error, says []string) {
	t.Helper()
	m, err := backbone.Load(context.Background(), path, opts)
	if err == nil {
		_ = m.Close()
		t.Fatal("it loads")
	}
	if !errors.Is(err, is) {
		t.Errorf("error %q, want one with %q in its chain", err, is)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %q does not say %q", err, s)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error of several lines: %q", err)
	}
}

func TestLoadNamesWhatIsWrongInGGUF(t *testing.T) {
	replace := func(old, now string) func([]byte) []byte {
		if len(old) != len(now) {
			t.Fatalf("%q and %q: lengths stand in the file too", old, now)
		}
		return func(b []byte) []byte {
			if !bytes.Contains(b, []byte(old)) {
				t.Fatalf("%q is not there", old)
			}
			return bytes.ReplaceAll(b, []byte(old), []byte(now))
		}
	}
	// number replaces a uint32 of the metadata.
	number := func(key string, v uint32) func([]byte) []byte {
		return func(b []byte) []byte {
			at := bytes.Index(b, []byte(key))
			if at < 0 {
				t.Fatalf("%q is not there", key)
			}
			binary.LittleEndian.PutUint32(b[at+len(key)+4:], v)
			return b
		}
	}
	cases := map[string]struct {
		file   string
		change func([]byte) []byte
		is     error
		says   []string
	}{
		"another architecture": {"qwen2.gguf", replace("qwen2", "bloom"), backbone.ErrUnknownArchitecture, []string{"qwen2.gguf", "bloom"}},
		"tensor renamed": {"llama.gguf", replace("blk.1.ffn_up.weight", "blk.1.ffn_ux.weight"), backbone.ErrMissingTensor,
			[]string{"llama.gguf", "blk.1.ffn_up.weight", "layers.1.up", "[48 32]"}},
		"a layer more":       {"llama.gguf", number("llama.block_count", 3), backbone.ErrMissingTensor, []string{"blk.2."}},
		"endless layers":     {"llama.gguf", number("llama.block_count", math.MaxUint32), backbone.ErrConfig, []string{"block_count"}},
		"many layers":        {"llama.gguf", number("llama.block_count", 1<<20), backbone.ErrConfig, []string{"layers"}},
		"no heads":           {"llama.gguf", number("llama.attention.head_count", 0), backbone.ErrConfig, []string{"heads"}},
		"wider":              {"qwen2.gguf", number("qwen2.feed_forward_length", 64), backbone.ErrTensorShape, []string{"blk.0.ffn_gate.weight", "[48 32]", "[64 32]"}},
		"no embedding":       {"llama.gguf", replace("token_embd.weight", "token_embx.weight"), backbone.ErrMissingTensor, []string{"token_embd.weight", "[96 32]"}},
		"other vocabulary":   {"llama.gguf", number("llama.vocab_size", 97), backbone.ErrTensorShape, []string{"token_embd.weight", "96", "97"}},
		"rotary on a part":   {"llama.gguf", number("llama.rope.dimension_count", 4), backbone.ErrUnsupported, []string{"rotary"}},
		"rotary factors":     {"llama3.gguf", number("llama.attention.key_length", 32), backbone.ErrUnsupported, []string{"llama3.gguf"}},
		"unknown scaling":    {"gemma3.gguf", replace("linear", "nonlin"), backbone.ErrUnsupported, []string{"nonlin"}},
		"a missing number":   {"qwen3.gguf", replace("qwen3.block_count", "qwen3.block_coult"), backbone.ErrConfig, []string{"qwen3.block_count"}},
		"cut off":            {"qwen2.gguf", func(b []byte) []byte { return b[:len(b)-100] }, backbone.ErrTruncated, []string{"qwen2.gguf"}},
		"cut in header":      {"qwen2.gguf", func(b []byte) []byte { return b[:333] }, backbone.ErrTruncated, []string{"qwen2.gguf"}},
		"empty":              {"qwen2.gguf", func([]byte) []byte { return nil }, backbone.ErrTruncated, []string{"qwen2.gguf"}},
		"another format":     {"qwen2.gguf", func([]byte) []byte { return []byte("<!doctype html><html></html>") }, backbone.ErrFormat, []string{"qwen2.gguf"}},
		"norm of other size": {"gemma3.gguf", number("gemma3.embedding_length", 48), backbone.ErrTensorShape, []string{"[96 32]", "[96 48]"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := copyModel(t, filepath.Join("testdata", c.file))
			edit(t, filepath.Join(dir, c.file), c.change)
			check(t, filepath.Join(dir, c.file), backbone.Options{NoTokenizer: true}, c.is, c.says)
		})
	}
}

// A model cut off anywhere, or with any one byte changed, ends in an error or a model, and never in a panic.
func TestLoadSurvivesDamage(t *testing.T) {
	opts := backbone.Options{NoTokenizer: true, NoHash: true}
	for _, name := range []string{"llama3.gguf", "llama/model.safetensors"} {
		t.Run(name, func(t *testing.T) {
			source := filepath.Join("testdata", filepath.FromSlash(name))
			dir := copyModel(t, source)
			if !strings.HasSuffix(name, ".gguf") {
				dir = copyModel(t, files(t, filepath.Dir(source))...)
			}
			whole, err := os.ReadFile(source)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, filepath.Base(source))
			try := func(data []byte) error {
				if err := os.WriteFile(path, data, 0o644); err != nil {
					t.Fatal(err)
				}
				m, err := backbone.Load(context.Background(), dir, opts)
				if err != nil {
					return err
				}
				for _, w := range m.Weights { // every byte must be there
					data, err := w.Rows(0, w.Shape[0])
					if err != nil {
						return errors.Join(err, m.Close())
					}
					_ = sha256.Sum256(data)
				}
				return m.Close()
			}
			for n := 0; n < len(whole); n += 997 {
				if err := try(whole[:n]); !errors.Is(err, backbone.ErrTruncated) {
					t.Fatalf("the first %d of %d bytes: %v", n, len(whole), err)
				}
			}
			for at := 0; at < 4000; at += 7 {
				data := bytes.Clone(whole)
				data[at] ^= 0xff
				_ = try(data)
			}
		})
	}
}
