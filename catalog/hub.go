package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"regexp"
	"strings"
)

const hubPrefix = "hf:"

// hubRef is a parsed hf: name.
type hubRef struct{ repo, revision, file string }

var hubName = regexp.MustCompile(`^hf:([\w.-]+/[\w.-]+)(?:@([\w./-]+))?(?::([\w./ +-]+))?$`)

// hubEndpoint is the hub's address: HF_ENDPOINT, as the hub's own tools read it, or the public one.
func hubEndpoint() string {
	if e := os.Getenv("HF_ENDPOINT"); e != "" {
		return strings.TrimRight(e, "/")
	}
	return "https://huggingface.co"
}

func hubURL(repo, revision, file string) string {
	return hubEndpoint() + "/" + repo + "/resolve/" + revision + "/" + file
}

func hubEntry(name string) (Entry, error) {
	m := hubName.FindStringSubmatch(name)
	if m == nil || strings.Contains(name, "..") {
		return Entry{}, fmt.Errorf("%q: %w: a model of the hub is hf:org/name, hf:org/name@revision or hf:org/name:file.gguf", name, ErrUnknown)
	}
	ref := &hubRef{repo: m[1], revision: m[2], file: m[3]}
	if ref.revision == "" {
		ref.revision = "main"
	}
	e := Entry{Name: name, Kind: Model, Title: ref.repo, License: "see its page", Home: "https://huggingface.co/" + ref.repo, hub: ref}
	if strings.HasSuffix(ref.file, ".gguf") {
		e.Main = path.Base(ref.file)
	}
	return e, nil
}

// hubInfo is what is read of the hub's answer about a model.
type hubInfo struct {
	SHA      string `json:"sha"`
	Siblings []struct {
		Name string `json:"rfilename"`
		Size int64  `json:"size"`
		LFS  *struct {
			SHA256 string `json:"sha256"`
		} `json:"lfs"`
	} `json:"siblings"`
}

// resolveHub asks the hub which files a model has, and makes them the entry's: weights as safetensors, or the GGUF file named, and
// what belongs to configuration and tokenizer. The hub tells the sums of large files, which pins them; of small ones it has
// only git's, so they are held to their first download.
func (p *puller) resolveHub(ctx context.Context) error {
	ref := p.entry.hub
	api := hubEndpoint() + "/api/models/" + ref.repo + "/revision/" + ref.revision + "?blobs=true"
	resp, err := p.client.do(ctx, api, http.Header{"Accept": {"application/json"}})
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return &statusError{url: api, code: resp.StatusCode}
	}
	var info hubInfo
	if err := json.NewDecoder(http.MaxBytesReader(nil, resp.Body, 16<<20)).Decode(&info); err != nil {
		return fmt.Errorf("%s: %w", api, err)
	}
	names := make([]string, len(info.Siblings))
	for i, s := range info.Siblings {
		names[i] = s.Name
	}
	wanted, err := hubWanted(ref.file, names)
	if err != nil {
		return fmt.Errorf("%s: %w", ref.repo, err)
	}
	// The commit, not the branch: the files of one pull belong together even if the branch moves.
	revision := ref.revision
	if info.SHA != "" {
		revision = info.SHA
	}
	source := Source{Label: "Hugging Face hub (" + ref.repo + "@" + revision + ")"}
	for _, s := range info.Siblings {
		if !wanted[s.Name] {
			continue
		}
		f := File{Name: s.Name, Size: s.Size}
		if ref.file != "" {
			f.Name = path.Base(s.Name)
		}
		if s.LFS != nil {
			f.SHA256 = s.LFS.SHA256
		}
		p.entry.Files = append(p.entry.Files, f)
		p.entry.Size += s.Size
		source.Steps = append(source.Steps, Step{URL: hubURL(ref.repo, revision, s.Name), SHA256: f.SHA256, Size: s.Size, Save: f.Name})
	}
	p.entry.Sources = []Source{source}
	return nil
}

// hubWanted picks the files to get.
func hubWanted(file string, names []string) (map[string]bool, error) {
	wanted := map[string]bool{}
	var gguf []string
	weights := false
	for _, n := range names {
		if file != "" {
			if n == file {
				wanted[n], weights = true, true
			}
			continue
		}
		switch {
		case strings.Contains(n, "/"): // other formats and training leftovers lie in folders
		case strings.HasSuffix(n, ".safetensors"):
			wanted[n], weights = true, true
		case strings.HasSuffix(n, ".gguf"):
			gguf = append(gguf, n)
		case strings.HasSuffix(n, ".json"), strings.HasSuffix(n, ".model"), n == "merges.txt", n == "vocab.txt":
			wanted[n] = true
		}
	}
	switch {
	case weights:
		return wanted, nil
	case file != "":
		return nil, fmt.Errorf("it has no file %s", file)
	case len(gguf) == 1:
		return map[string]bool{gguf[0]: true}, nil
	case len(gguf) > 1:
		return nil, fmt.Errorf("it has several GGUF files: name one, as in hf:org/name:%s (it has %s)", gguf[0], strings.Join(gguf, ", "))
	}
	return nil, errors.New("it has neither safetensors nor GGUF weights")
}
