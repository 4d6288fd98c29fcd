{{- define "dandelion-mysql.name" -}}
{{ include "dandelion.name" . }}-mysql
{{- end -}}

{{/* Accounts with the rights that they need; a password that has changed is set again. */}}
{{- define "dandelion-mysql.accounts.script" -}}
set -eu
until mysql --host="$HOST" --user=root --connect-timeout=5 --execute='SELECT 1' >/dev/null 2>/tmp/why; do
  echo "waiting for $HOST: $(tail -n 1 /tmp/why)"
  sleep 2
done
for word in "$DANDELION_PASSWORD" "$MLFLOW_PASSWORD" "$BACKUP_PASSWORD" "$MONITOR_PASSWORD"; do
  case $word in *[\'\\]*) echo "a password holds a quote or a backslash: choose another" >&2; exit 1 ;; esac
done
mysql --host="$HOST" --user=root <<SQL
CREATE DATABASE IF NOT EXISTS mlops_db CHARACTER SET utf8mb4;
CREATE DATABASE IF NOT EXISTS mlflow CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS 'dandelion'@'%', 'mlflow'@'%', 'backup'@'%', 'monitor'@'%';
ALTER USER 'dandelion'@'%' IDENTIFIED BY '$DANDELION_PASSWORD';
ALTER USER 'mlflow'@'%' IDENTIFIED BY '$MLFLOW_PASSWORD';
ALTER USER 'backup'@'%' IDENTIFIED BY '$BACKUP_PASSWORD';
ALTER USER 'monitor'@'%' IDENTIFIED BY '$MONITOR_PASSWORD' WITH MAX_USER_CONNECTIONS 3;
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES ON mlops_db.* TO 'dandelion'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, TRIGGER ON mlflow.* TO 'mlflow'@'%';
GRANT RELOAD, REPLICATION CLIENT, PROCESS ON *.* TO 'backup'@'%';
GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES ON mlops_db.* TO 'backup'@'%';
GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES ON mlflow.* TO 'backup'@'%';
GRANT PROCESS, REPLICATION CLIENT ON *.* TO 'monitor'@'%';
GRANT SELECT ON performance_schema.* TO 'monitor'@'%';
SQL
echo "accounts are as they should be"
{{- end -}}
