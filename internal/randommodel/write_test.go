package randommodel

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"

	"lsat/backbone"
)

func tiny() Shape {
	return Shape{Architectures: []string{"MistralForCausalLM"}, ModelType: "mistral", Hidden: 32, FFN: 48, Layers: 3, Heads: 4, KVHeads: 2, Vocab: 300,
		MaxPosition: 64, NormEps: 1e-5, RopeTheta: 1e4, Activation: "silu", Type: "bfloat16"}
}

// What is written loads, tokenizer and all, in shards, and is the same for the same seed.
func TestWrittenModelLoads(t *testing.T) {
	ctx := context.Background()
	hashes := map[string]bool{}
	words := []string{"Yes", "Yesterday", "No"}
	for _, seed := range []uint64{1, 1, 2} {
		dir := t.TempDir()
		if err := Write(ctx, dir, tiny(), Options{Seed: seed, ShardBytes: 20000, Words: words}); err != nil {
			t.Fatal(err)
		}
		shards, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
		if err != nil || len(shards) < 3 {
			t.Fatalf("%d shards, %v", len(shards), err)
		}
		m, err := backbone.Load(ctx, dir, backbone.Options{})
		if err != nil {
			t.Fatal(err)
		}
		hashes[m.Hash] = true
		if ids := m.Tokenizer.Encode("Hé"); len(ids) != 3 || m.Tokenizer.Decode(ids) != "Hé" {
			t.Errorf("the tokenizer reads Hé as %v", ids)
		}
		// A word behind a space is one token, and what begins like one, or stands alone, is not.
		for text, n := range map[string]int{" Yes": 1, " Yesterday No": 2, " Yesterdays": 2, "No": 2, " on": 3} {
			if ids := m.Tokenizer.Encode(text); len(ids) != n || m.Tokenizer.Decode(ids) != text {
				t.Errorf("the tokenizer reads %q as %v", text, ids)
			}
		}
		for name, w := range m.Weights {
			if len(w.Bytes) == 0 || bytes.Equal(w.Bytes, make([]byte, len(w.Bytes))) {
				t.Errorf("%s: not in its file as it is used, or all zeros", name)
			}
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(hashes) != 2 {
		t.Errorf("two seeds, one of them twice, gave %d models", len(hashes))
	}
}

func TestWriteRefuses(t *testing.T) {
	small, odd := tiny(), tiny()
	small.Vocab = 258
	for name, o := range map[string]struct {
		shape Shape
		words []string
	}{"a vocabulary of fewer than the bytes": {small, nil}, "two words in one": {odd, []string{"a b"}}, "an empty word": {odd, []string{""}}} {
		if err := Write(context.Background(), t.TempDir(), o.shape, Options{Words: o.words}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
