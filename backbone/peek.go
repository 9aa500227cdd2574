package backbone

import (
	"fmt"
	"os"
	"path/filepath"
)

// Peek reads a model's configuration, and no weights. path is as for Load, and so are the errors.
func Peek(path string) (Config, error) {
	file, err := locate(path)
	var c Config
	if err == nil && file != "" {
		var src *source
		if src, _, c, err = openGGUF(file); err == nil {
			err = src.close()
		}
	} else if err == nil {
		var text []byte
		if text, err = os.ReadFile(filepath.Join(path, configFile)); err == nil {
			if c, err = ParseConfig(text); err != nil {
				err = fmt.Errorf("%s: %w", filepath.Join(path, configFile), err)
			}
		}
	}
	if err != nil {
		return Config{}, fmt.Errorf("backbone: load %w", err)
	}
	return c, nil
}

func ggufNames() fileNames {
	return fileNames{
		embed: "token_embd.weight",
		norm:  "output_norm.weight",
		head:  "output.weight",
		layer: func(n int, p part) string { return fmt.Sprintf("blk.%d.%s", n, p.gguf) },
	}
}
