package backbone

import (
	"fmt"
	"os"
	"path/filepath"

	"lsat/internal/gguf"
)

// Peek reads a model's configuration, and how many bytes of the host's memory its weights will take once loaded besides mapped files: those
// that are converted while loading. It reads no weights. path is as for Load, and so are the errors.
func Peek(path string) (c Config, converted int64, err error) {
	file, err := locate(path)
	if err == nil && file != "" {
		c, converted, err = peekGGUF(file)
	} else if err == nil {
		var text []byte
		if text, err = os.ReadFile(filepath.Join(path, configFile)); err == nil {
			if c, err = ParseConfig(text); err != nil {
				err = fmt.Errorf("%s: %w", filepath.Join(path, configFile), err)
			}
		}
	}
	if err != nil {
		return Config{}, 0, fmt.Errorf("backbone: load %w", err)
	}
	return c, converted, nil
}

func peekGGUF(path string) (Config, int64, error) {
	src, f, c, err := openGGUF(path)
	if err != nil {
		return Config{}, 0, err
	}
	defer func() { _ = src.close() }() // only read
	converted := int64(0)
	for _, w := range c.tensors(ggufNames()) {
		t, ok := f.Tensors[w.file]
		if !ok {
			continue // Load will say so
		}
		switch {
		case !plain(t.Type):
			converted += 4 * int64(t.Elements())
		case c.permutedHeads(w.part) > 0, c.NormPlusOne && len(w.shape) == 1 && isNorm(w):
			converted += int64(len(t.Data))
		}
	}
	return c, converted, nil
}

// plain says whether elements of the type are used as they lie in the file.
func plain(t gguf.Type) bool { return t == gguf.F32 || t == gguf.F16 || t == gguf.BF16 }

func ggufNames() fileNames {
	return fileNames{
		embed: "token_embd.weight",
		norm:  "output_norm.weight",
		head:  "output.weight",
		layer: func(n int, p part) string { return fmt.Sprintf("blk.%d.%s", n, p.gguf) },
	}
}
