#compdef hobnob

_hobnob() {
    local line group value about
    local -a found groups values shown open openly
    found=("${(@f)$("${(Q)words[1]}" completions zsh -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    case $found[1] in
        '') return 1 ;;
        :files) _files; return ;;
        :folders) _files -/; return ;;
    esac
    for line in $found; do
        group=${line%%$'\t'*}
        (( ${groups[(Ie)$group]} )) || groups+=("$group")
    done
    for group in $groups; do
        values=() shown=() open=() openly=()
        for line in ${(M)found:#${(b)group}$'\t'*}; do
            line=${line#*$'\t'} value=${line%%$'\t'*} about=${line#*$'\t'}
            if [[ $value == *= ]]; then
                open+=("$value") openly+=("$value${about:+  $about}")
            else
                values+=("$value") shown+=("$value${about:+  $about}")
            fi
        done
        (( $#values )) && compadd -V "$group" -X "$group" -d shown -a values
        (( $#open )) && compadd -V "$group" -X "$group" -S '' -d openly -a open
    done
    return 0
}

if [[ $funcstack[1] == _hobnob ]]; then
    _hobnob "$@"
else
    compdef _hobnob hobnob
fi
